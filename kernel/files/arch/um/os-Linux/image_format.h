/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state of an image: what of the host process is not in the machine's
 * memory. Header, mappings, runs, and on the next page the runs' data.
 */

#ifndef __UM_IMAGE_FORMAT_H
#define __UM_IMAGE_FORMAT_H

#include <longjmp.h>

#define IMAGE_MAGIC	0x316567616d496d75ULL
#define IMAGE_MAPPINGS	4096
#define IMAGE_RUNS	32768
#define IMAGE_BUILD	256

enum image_kind {
	IMAGE_ANONYMOUS,	/* is mapped again */
	IMAGE_STACK,
	IMAGE_PROGRAM,		/* is there: of the kernel's program */
	IMAGE_MEMORY,		/* of the machine's memory, at @offset */
};

struct image_mapping {
	unsigned long start, end, offset;
	int kind, prot;
};

/* Pages that were written to; their data follow each other, in this order. */
struct image_run {
	unsigned long start, len;
};

struct image_header {
	unsigned long long magic, memory_size, size;
	unsigned char build[IMAGE_BUILD];	/* the program's build id */
	unsigned int cpu[7];
	unsigned long vdso;			/* where the host's is */
	unsigned long vdso_sum;
	unsigned long fs_base, brk;
	jmp_buf context;
	int memory_fd, last_fd;
	int nr_mappings, nr_runs;
	unsigned long runs_at, data_at;
};

void image_describe_host(struct image_header *header);

#endif
