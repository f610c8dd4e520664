// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/hostsock: byte streams from a socket of the host.
 *
 * "hostsock=FD" on the command line names an inherited, listening AF_UNIX
 * stream socket. A program in the guest polls /dev/hostsock and takes the
 * connections that wait there with an ioctl; each is a file of its own, with
 * the manners of a connected stream socket. Terminals, UML's other way to
 * reach a guest from outside, are neither clean for binary data nor able to
 * say end of file.
 *
 * Interrupt numbers are few in UML, so all sockets share one: a host epoll
 * descriptor (the watcher) whose events carry the wait queue to wake. The host's
 * calls never block and are the only truth about a socket's state; an event does
 * no more than have them tried again, so a spurious one is harmless.
 */

#define pr_fmt(fmt) "hostsock: " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <asm/hostsock.h>
#include <init.h>
#include <irq_kern.h>
#include <os.h>
#include <image.h>
#include "hostsock.h"

/* Pages handed to the host in one call: 64 KiB, one third of a socket's buffer. */
#define HOSTSOCK_PAGES	16
#define HOSTSOCK_EVENTS	16

struct hostsock_stream {
	struct list_head list;
	int fd;
	wait_queue_head_t wait;
};

static int listener = -1;
static DECLARE_WAIT_QUEUE_HEAD(listener_wait);

static int watcher;
/* Held while events are dealt out, so that no stream goes meanwhile. */
static DEFINE_SPINLOCK(watcher_lock);
static LIST_HEAD(streams);

static irqreturn_t hostsock_interrupt(int irq, void *unused)
{
	struct hostsock_event events[HOSTSOCK_EVENTS];
	int n, i;

	spin_lock(&watcher_lock);
	do {
		n = hostsock_os_events(watcher, events, HOSTSOCK_EVENTS);
		for (i = 0; i < n; i++) {
			wait_queue_head_t *wait = events[i].cookie;
			__poll_t mask = (__force __poll_t)events[i].mask;

			wake_up_interruptible_poll(wait, mask);
		}
	} while (n == HOSTSOCK_EVENTS);
	spin_unlock(&watcher_lock);

	return IRQ_HANDLED;
}

/*
 * One call of the host, from or to the caller's own pages. Pages are taken
 * before the call, so that a bad address can't lose what the host has given.
 */
static ssize_t hostsock_transfer(int fd, struct iov_iter *iter)
{
	struct page *pages[HOSTSOCK_PAGES], **page = pages;
	struct iovec iov[HOSTSOCK_PAGES];
	bool receive = iov_iter_rw(iter) == READ;
	size_t offset, left;
	ssize_t taken, ret;
	int count = 0;

	taken = iov_iter_extract_pages(iter, &page,
				       HOSTSOCK_PAGES * PAGE_SIZE,
				       HOSTSOCK_PAGES, 0, &offset);
	if (taken <= 0)
		return taken ?: -EFAULT;

	for (left = taken; left; left -= iov[count++].iov_len) {
		iov[count].iov_base =
			(void __user *)page_address(page[count]) + offset;
		iov[count].iov_len = min(left, PAGE_SIZE - offset);
		offset = 0;
	}

	ret = receive ? hostsock_os_receive(fd, iov, count)
		      : hostsock_os_send(fd, iov, count);

	if (iov_iter_extract_will_pin(iter))
		unpin_user_pages_dirty_lock(page, count, receive && ret > 0);
	iov_iter_revert(iter, taken - max(ret, 0));

	return ret;
}

/* A read ends with the first data, a write when all is written. */
static ssize_t hostsock_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct hostsock_stream *stream = iocb->ki_filp->private_data;
	bool nonblock = (iocb->ki_filp->f_flags & O_NONBLOCK) ||
			(iocb->ki_flags & IOCB_NOWAIT);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	ssize_t done = 0, ret = 0;

	add_wait_queue(&stream->wait, &wait);
	while (iov_iter_count(iter)) {
		ret = hostsock_transfer(stream->fd, iter);
		if (ret > 0) {
			done += ret;
			if (iov_iter_rw(iter) == READ)
				break;
			cond_resched();
			continue;
		}
		if (ret != -EAGAIN || nonblock)
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
	}
	remove_wait_queue(&stream->wait, &wait);

	if (ret == -EPIPE && !(iocb->ki_flags & IOCB_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);

	return done ?: ret;
}

static __poll_t hostsock_stream_poll(struct file *file, poll_table *table)
{
	struct hostsock_stream *stream = file->private_data;

	poll_wait(file, &stream->wait, table);
	return (__force __poll_t)hostsock_os_poll(stream->fd);
}

static long hostsock_stream_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	struct hostsock_stream *stream = file->private_data;

	if (cmd != HOSTSOCK_SHUTDOWN)
		return -ENOTTY;

	return hostsock_os_shutdown_write(stream->fd);
}

static void hostsock_stream_free(struct hostsock_stream *stream)
{
	unsigned long flags;

	spin_lock_irqsave(&watcher_lock, flags);
	hostsock_os_unwatch(watcher, stream->fd);
	list_del(&stream->list);
	spin_unlock_irqrestore(&watcher_lock, flags);

	os_close_file(stream->fd);
	kfree(stream);
}

static int hostsock_stream_release(struct inode *inode, struct file *file)
{
	hostsock_stream_free(file->private_data);
	return 0;
}

static const struct file_operations hostsock_stream_fops = {
	.owner		= THIS_MODULE,
	.read_iter	= hostsock_iter,
	.write_iter	= hostsock_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.poll		= hostsock_stream_poll,
	.unlocked_ioctl	= hostsock_stream_ioctl,
	.release	= hostsock_stream_release,
};

static struct hostsock_stream *hostsock_stream_accept(void)
{
	struct hostsock_stream *stream;
	int err;

	stream = kmalloc_obj(*stream);
	if (!stream)
		return ERR_PTR(-ENOMEM);

	init_waitqueue_head(&stream->wait);
	stream->fd = hostsock_os_accept(listener);
	if (stream->fd < 0) {
		err = stream->fd;
		goto out_free;
	}

	err = hostsock_os_watch(watcher, stream->fd, &stream->wait);
	if (err)
		goto out_close;

	scoped_guard(spinlock_irqsave, &watcher_lock)
		list_add(&stream->list, &streams);
	return stream;

out_close:
	os_close_file(stream->fd);
out_free:
	kfree(stream);
	return ERR_PTR(err);
}

static long hostsock_accept(void)
{
	struct hostsock_stream *stream;
	struct file *file;
	int fd;

	/* Before the connection is taken, for it can't be put back. */
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	stream = hostsock_stream_accept();
	if (IS_ERR(stream)) {
		put_unused_fd(fd);
		return PTR_ERR(stream);
	}

	file = anon_inode_getfile("[hostsock]", &hostsock_stream_fops, stream,
				  O_RDWR);
	if (IS_ERR(file)) {
		hostsock_stream_free(stream);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}

	fd_install(fd, file);
	return fd;
}

static __poll_t hostsock_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &listener_wait, table);
	return (__force __poll_t)hostsock_os_poll(listener);
}

static long hostsock_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	if (cmd != HOSTSOCK_ACCEPT)
		return -ENOTTY;

	return hostsock_accept();
}

static const struct file_operations hostsock_fops = {
	.owner		= THIS_MODULE,
	.poll		= hostsock_poll,
	.unlocked_ioctl	= hostsock_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice hostsock_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "hostsock",
	.fops	= &hostsock_fops,
	.mode	= 0600,
};

static int hostsock_own(void)
{
	struct hostsock_stream *stream;
	int err = os_image_owned(listener) ?: os_image_owned(watcher);

	list_for_each_entry(stream, &streams, list)
		err = err ?: os_image_owned(stream->fd);
	return err;
}

/* The listener is given anew; whoever was connected is so to the original. */
static void hostsock_again(void)
{
	struct hostsock_stream *stream;

	os_put_fd(hostsock_os_watcher(), watcher);
	hostsock_os_check_listener(listener);
	hostsock_os_watch(watcher, listener, &listener_wait);
	os_set_fd_async(listener);
	list_for_each_entry(stream, &streams, list) {
		os_lost_fd(stream->fd);
		hostsock_os_watch(watcher, stream->fd, &stream->wait);
	}
}

static struct um_image_user hostsock_image = {
	.name = "hostsock",
	.own = hostsock_own,
	.again = hostsock_again,
};

static int __init hostsock_setup(char *str, int *add)
{
	*add = 0;
	if (kstrtoint(str, 10, &listener) || listener < 0) {
		os_warn("hostsock=%s: not a descriptor's number\n", str);
		listener = -1;
	}
	return 0;
}

__uml_setup("hostsock=", hostsock_setup,
	    "hostsock=<file descriptor>\n"
	    "    Accept the connections of this inherited, listening AF_UNIX stream\n"
	    "    socket through /dev/hostsock.\n\n"
);

static int __init hostsock_init(void)
{
	int err;

	if (listener < 0)
		return 0;

	if (hostsock_os_check_listener(listener) < 0) {
		pr_err("descriptor %d is not a listening AF_UNIX stream socket, no /dev/hostsock\n",
		       listener);
		return -EINVAL;
	}

	watcher = hostsock_os_watcher();
	if (watcher < 0)
		return watcher;

	err = hostsock_os_watch(watcher, listener, &listener_wait);
	if (err)
		goto out;

	err = um_request_irq(UM_IRQ_ALLOC, watcher, IRQ_READ,
			     hostsock_interrupt, 0, "hostsock", NULL);
	if (err < 0)
		goto out;

	/* An epoll descriptor sends no SIGIO: each socket in it must. */
	err = os_set_fd_async(listener);
	if (err < 0)
		goto out;

	err = misc_register(&hostsock_device);
	if (err)
		goto out;

	um_image_register(&hostsock_image);
	return 0;
out:
	pr_err("no /dev/hostsock, error %d\n", err);
	return err;
}
device_initcall(hostsock_init);
