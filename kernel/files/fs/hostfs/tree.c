// SPDX-License-Identifier: GPL-2.0
/*
 * The trees of the host that may be mounted: hostfs_tree= on the command line.
 */

#include <linux/cache.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <init.h>
#include <kern.h>
#include <os.h>
#include "tree.h"

#define HOSTFS_MAX_TREES 8

static struct hostfs_tree trees[HOSTFS_MAX_TREES] __ro_after_init;
static int nr_trees __ro_after_init;

/* The words of the specifications: argv must stay whole for a reboot. */
static char words[HOSTFS_MAX_TREES][512] __ro_after_init;

bool hostfs_trees_only(void)
{
	return nr_trees > 0;
}

const struct hostfs_tree *hostfs_find_tree(const char *name)
{
	for (int i = 0; i < nr_trees; i++)
		if (!strcmp(trees[i].name, name))
			return &trees[i];
	return NULL;
}

static bool __init parse_flag(struct hostfs_tree *tree, const char *flag)
{
	int end;

	if (!strcmp(flag, "ro")) {
		tree->ro = true;
		return true;
	}
	if (!strcmp(flag, "slow")) {
		tree->slow = true;
		return true;
	}
	if (sscanf(flag, "owner=%u.%u%n", &tree->uid, &tree->gid, &end) == 2 &&
	    !flag[end]) {
		tree->squash = true;
		return true;
	}
	return false;
}

static const char * __init parse_tree(const char *given)
{
	struct hostfs_tree *tree = &trees[nr_trees];
	char *spec = words[nr_trees];
	const char *flag;

	if (nr_trees == HOSTFS_MAX_TREES)
		return "too many trees";
	if (strscpy(spec, given, sizeof(words[0])) < 0)
		return "too long";
	tree->name = strsep(&spec, ":");
	if (!*tree->name)
		return "it has no name";
	if (hostfs_find_tree(tree->name))
		return "the name was given before";
	tree->path = spec ? strsep(&spec, ":") : "";
	if (*tree->path != '/')
		return "the path is not absolute";
	while ((flag = strsep(&spec, ":")))
		if (!parse_flag(tree, flag))
			return "a flag is not known";
	return NULL;
}

/*
 * A tree that cannot be understood ends the machine: carrying on without it
 * could leave every path of the host mountable.
 */
static int __init hostfs_tree_setup(char *given, int *add)
{
	const char *why = parse_tree(given);

	*add = 0;
	if (why) {
		os_warn("hostfs_tree=%s: %s\n", given, why);
		exit(1);
	}
	nr_trees++;
	return 0;
}

__uml_setup("hostfs_tree=", hostfs_tree_setup,
	    "hostfs_tree=<name>:<path>[:ro][:slow][:owner=<uid>.<gid>]\n"
	    "    Allow the directory <path> of the host to be mounted as <name>:\n"
	    "    'mount -t hostfs <name> <where>'. May be given several times. Once it\n"
	    "    is given, nothing of the host but such trees can be mounted. With 'ro'\n"
	    "    the tree can be mounted read-only alone. With 'owner' whatever is done\n"
	    "    in the tree, and whoever does it, is done as that user of the host.\n"
	    "    With 'slow' the machine waits for no call of the host on that tree, only\n"
	    "    the process that made it does. Network file systems are known to be.\n\n"
);

/* The tree that <name>:<file> names, and where the file begins. */
static struct hostfs_tree * __init tree_of(const char *option, const char *given,
					   const char **path)
{
	const char *colon = strchr(given, ':');

	*path = colon + 1;
	for (int i = 0; colon && i < nr_trees; i++)
		if (strlen(trees[i].name) == colon - given &&
		    !strncmp(trees[i].name, given, colon - given))
			return &trees[i];
	os_warn("%s=%s: no such tree\n", option, given);
	return NULL;
}

static int __init hostfs_quota_setup(char *given, int *add)
{
	const char *path;
	struct hostfs_tree *tree = tree_of("hostfs_quota", given, &path);

	*add = 0;
	if (tree)
		tree->quota = path;
	return 0;
}

__uml_setup("hostfs_quota=", hostfs_quota_setup,
	    "hostfs_quota=<name>:<file>\n"
	    "    <file> of the host says how many bytes the tree <name>, given before, may\n"
	    "    hold, and how many it does, as two decimal numbers. That is what statfs(2)\n"
	    "    and df tell then. The file may change at any time; while it cannot be read\n"
	    "    they tell of the host's file system.\n\n"
);

static int __init hostfs_covered_setup(char *given, int *add)
{
	const char *path;
	struct hostfs_tree *tree = tree_of("hostfs_covered", given, &path);

	*add = 0;
	if (tree)
		tree->covered = path;
	return 0;
}

__uml_setup("hostfs_covered=", hostfs_covered_setup,
	    "hostfs_covered=<name>:<file>\n"
	    "    <file> of the host names the places in the tree <name>, given before,\n"
	    "    that the host has mounted something over: paths, each with a NUL behind\n"
	    "    it. They can't be entered, read, written or removed. The file may change\n"
	    "    at any time.\n\n"
);
