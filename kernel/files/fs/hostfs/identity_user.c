// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the host takes the calling thread for.
 *
 * What a guest process makes has to belong to that process. The thread takes
 * on the process' ids for the length of the one host call rather than create
 * as itself and change the owner afterwards: there is no moment at which the
 * file is somebody else's, not even if the machine dies there, and the file
 * system below writes one inode update instead of two. The ids are the file
 * system ids, which nothing but file access looks at.
 *
 * Leaving fsuid 0 takes the capabilities over files out of the effective set.
 * They are taken back at once, so that permission remains a matter of the
 * guest kernel: only it knows the process' groups and capabilities. This
 * needs no privilege, unlike SECBIT_NO_SETUID_FIXUP (CAP_SETPCAP).
 *
 * A tree with an owner is the other case: there nothing may happen that the
 * owner could not do on the host, so no capability is left at all.
 */

#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hostfs.h"

static uid_t own_uid;
static gid_t own_gid;
static struct __user_cap_data_struct own_caps[_LINUX_CAPABILITY_U32S_3];
static struct __user_cap_data_struct no_caps[_LINUX_CAPABILITY_U32S_3];

static void set_caps(const struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	syscall(SYS_capset, &header, caps);
}

void hostfs_identity_init(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	own_uid = geteuid();
	own_gid = getegid();
	syscall(SYS_capget, &header, own_caps);
	/* Not effective, but permitted: they can be taken back. */
	memcpy(no_caps, own_caps, sizeof(no_caps));
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		no_caps[i].effective = 0;
}

/*
 * Where the host does not let us have these ids the file becomes our own, as
 * for a kernel that an ordinary user started.
 */
void hostfs_act_as(unsigned int uid, unsigned int gid)
{
	if (gid != own_gid)
		syscall(SYS_setfsgid, gid);
	if (uid != own_uid) {
		syscall(SYS_setfsuid, uid);
		set_caps(own_caps);
	}
}

/* Returns whether we are that owner now: if not, no call may be made. */
int hostfs_act_as_owner(unsigned int uid, unsigned int gid)
{
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
	set_caps(no_caps);
	/* An id that cannot be taken tells which one is in force. */
	return syscall(SYS_setfsgid, -1) == (gid_t)gid &&
	       syscall(SYS_setfsuid, -1) == (uid_t)uid;
}

void hostfs_act_as_self(unsigned int uid, unsigned int gid)
{
	if (uid != own_uid)
		syscall(SYS_setfsuid, own_uid);
	if (gid != own_gid)
		syscall(SYS_setfsgid, own_gid);
}

void hostfs_stop_as_owner(void)
{
	syscall(SYS_setfsuid, own_uid);
	syscall(SYS_setfsgid, own_gid);
	set_caps(own_caps);
}
