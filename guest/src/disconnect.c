/* Ends all TCP connections of this machine but those within itself, as if their peers had gone (sock_diag(7)).
 *
 * For a machine that was made of a running one: they are the other's, and whoever waits for an answer on one here would
 * wait for ever. A kernel without SOCK_DESTROY leaves them.
 */

#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENING = 1 << 10 };         /* TCP_LISTEN */

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static int is_within(const struct inet_diag_msg *found)
{
	static const unsigned char loopback6[16] = { [15] = 1 };
	const unsigned char *bytes = (const void *)found->id.idiag_dst;

	if (found->idiag_family == AF_INET)
		return bytes[0] == 127;
	return !memcmp(bytes, loopback6, sizeof loopback6) || (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes) && bytes[12] == 127);
}

static int ask(int fd, int type, int flags, const struct inet_diag_req_v2 *body)
{
	struct request request = {
		.head = { .nlmsg_len = sizeof request, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags },
		.body = *body,
	};

	return send(fd, &request, sizeof request, 0);
}

static int end(int fd, const struct inet_diag_msg *found)
{
	struct inet_diag_req_v2 body = {
		.sdiag_family = found->idiag_family, .sdiag_protocol = IPPROTO_TCP, .id = found->id,
	};
	struct { struct nlmsghdr head; struct nlmsgerr error; char rest[256]; } answer;

	if (ask(fd, SOCK_DESTROY, NLM_F_ACK, &body) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		return errno;
	return answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
}

static void end_family(int list, int one, int family)
{
	static char answer[32768] __attribute__((aligned(8)));
	struct inet_diag_req_v2 all = {
		.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~LISTENING,
	};
	int done = ask(list, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &all) < 0;

	while (!done) {
		int length = recv(list, answer, sizeof answer, 0);

		done = length <= 0;
		for (struct nlmsghdr *head = (void *)answer; !done && NLMSG_OK(head, (unsigned)length);
		     head = NLMSG_NEXT(head, length)) {
			struct inet_diag_msg *found = NLMSG_DATA(head);

			done = head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR;
			if (!done && !is_within(found) && end(one, found) == EOPNOTSUPP)
				done = 1;
		}
	}
}

void disconnect(void)
{
	int list = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int one = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (list >= 0 && one >= 0) {
		end_family(list, one, AF_INET);
		end_family(list, one, AF_INET6);
	}
	close(list);
	close(one);
}
