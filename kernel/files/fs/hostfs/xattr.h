/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __UM_FS_HOSTFS_XATTR
#define __UM_FS_HOSTFS_XATTR

#include <linux/fs.h>
#include "hostfs.h"

struct posix_acl;
struct xattr_handler;

/* Attributes under this name are ours, and not seen inside. */
#define HOSTFS_HIDDEN "user.hostfs."

/* xattr.c */
extern const struct xattr_handler * const hostfs_private_xattrs[];
extern const struct xattr_handler * const hostfs_shared_xattrs[];
ssize_t hostfs_listxattr(struct dentry *dentry, char *list, size_t size);

/* acl.c */
struct posix_acl *hostfs_get_acl(struct inode *inode, int type, bool rcu);
int hostfs_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct posix_acl *acl, int type);
int hostfs_create_mode(struct inode *dir, umode_t *mode);

/* side.c */
#define HOSTFS_SIDE ".hostfs-attributes"	/* in a private tree's root */

bool hostfs_needs_side(struct inode *inode);
bool hostfs_is_side(struct inode *dir, const char *name);
int hostfs_open_side(struct inode *inode, bool make);
void hostfs_drop_side(struct inode *inode);

/* node.c */
#define HOSTFS_NODE_BIT S_ISVTX

int hostfs_make_node(struct inode *dir, int dir_fd, const char *name,
		     umode_t mode, dev_t rdev);
int hostfs_read_node(struct super_block *sb, int dir_fd, const char *name,
		     struct hostfs_stat *st);
bool hostfs_has_nodes(struct inode *dir);
int hostfs_node_moves(struct inode *node, struct inode *dir, int dir_fd);
umode_t hostfs_node_mode(umode_t known, umode_t host);
int hostfs_set_node_mode(struct inode *node, int fd, umode_t mode);

#endif
