/* The little that the test programs share: a table of cases, and expectations. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct test {
	const char *name;
	void (*run)(void);
};

extern int failures;

#define FAIL(...) do {							\
	printf("    line %d: ", __LINE__);				\
	printf(__VA_ARGS__);						\
	printf("\n");							\
	failures++;							\
} while (0)

/* The call succeeds. */
#define OK(call) ({							\
	long ok_ret = (long)(call);					\
	if (ok_ret < 0)							\
		FAIL("%s: %s", #call, strerror(errno));			\
	ok_ret;								\
})

/* The call fails, for this reason. */
#define FAILS(why, call) do {						\
	long fails_ret = (long)(call);					\
	if (fails_ret >= 0)						\
		FAIL("%s: succeeded, not %s", #call, #why);		\
	else if (errno != (why))					\
		FAIL("%s: %s, not %s", #call, strerror(errno), #why);	\
} while (0)

#define EQ(a, b) do {							\
	long long eq_a = (long long)(a), eq_b = (long long)(b);		\
	if (eq_a != eq_b)						\
		FAIL("%s is %lld, not %lld (%s)", #a, eq_a, eq_b, #b);	\
} while (0)

#define TRUE(what) do { if (!(what)) FAIL("not so: %s", #what); } while (0)

#endif
