/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_FS_HOSTFS_TREE
#define __UM_FS_HOSTFS_TREE

#include <linux/types.h>

/*
 * A tree of the host that hostfs may mount, as given by hostfs_tree=.
 * Written while the command line is parsed, never after.
 */
struct hostfs_tree {
	const char *name;
	const char *path;
	bool ro;
	const char *quota;	/* the file that tells of it, or NULL */
	const char *covered;	/* the same, of what is mounted over, or NULL */
	bool slow;		/* any call there may take long */
	bool squash;		/* to the host all acts are of uid and gid */
	unsigned int uid, gid;
};

/* True once a tree was given: from then on nothing but trees is mountable. */
bool hostfs_trees_only(void);
const struct hostfs_tree *hostfs_find_tree(const char *name);

#endif
