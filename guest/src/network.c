/* Steps `net` and `address`: interfaces by rtnetlink, so that a tree needs no iproute2 and a start no fork.
 *
 *     net IFACE [name NEW | mac MAC] [flush] [ADDRESS/PREFIX]... [via GATEWAY]...
 *         gives the interface another name or MAC, sets it up, takes all of its IPv4 addresses away (flush), gives it
 *         addresses and default routes; PREFIX may be a netmask. One that gets another MAC is another machine's from then
 *         on: it is down for a moment, which takes its IPv6 addresses and routes away, and TCP connections end
 *     address IFACE 4|6 SECONDS
 *         prints the first global address as soon as there is one
 */

#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAC_SIZE = 6 };

unsigned if_nametoindex(const char *name);

struct request_message {
	struct nlmsghdr head;
	char body[256];
};

struct address {
	int family;
	unsigned prefix, size;        /* bits; bytes */
	unsigned char bytes[16];
};

static int open_netlink(unsigned groups)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof local) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *append(struct request_message *message, const void *data, size_t size)
{
	char *place = (char *)&message->head + NLMSG_ALIGN(message->head.nlmsg_len);

	memcpy(place, data, size);
	message->head.nlmsg_len = NLMSG_ALIGN(message->head.nlmsg_len) + size;
	return place;
}

static void append_attribute(struct request_message *message, unsigned short type, const void *data, size_t size)
{
	struct rtattr attribute = { .rta_type = type, .rta_len = RTA_LENGTH(size) };

	append(message, &attribute, sizeof attribute);
	append(message, data, size);
}

static void begin(struct request_message *message, int type, int flags, const void *body, size_t size)
{
	memset(message, 0, sizeof *message);
	message->head.nlmsg_len = NLMSG_HDRLEN;
	message->head.nlmsg_type = type;
	message->head.nlmsg_flags = NLM_F_REQUEST | flags;
	append(message, body, size);
}

/* Sends and waits for the kernel's word; 0 or an errno. */
static int settle(int fd, struct request_message *message)
{
	struct { struct nlmsghdr head; struct nlmsgerr error; char rest[1024]; } answer;

	message->head.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, message, message->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		return errno;
	return answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
}

/* --- net ------------------------------------------------------------------------------------------------ */

static int parse_address(const char *text, struct address *address)
{
	char part[64], *slash;
	struct in_addr mask;

	snprintf(part, sizeof part, "%s", text);
	slash = strchr(part, '/');
	if (slash)
		*slash++ = '\0';
	address->family = strchr(part, ':') ? AF_INET6 : AF_INET;
	address->size = address->family == AF_INET ? 4 : 16;
	address->prefix = address->size * 8;
	if (inet_pton(address->family, part, address->bytes) != 1)
		return -1;
	if (slash && strchr(slash, '.') && inet_pton(AF_INET, slash, &mask) == 1)
		address->prefix = __builtin_popcount(mask.s_addr);
	else if (slash)
		address->prefix = strtoul(slash, NULL, 10);
	return address->prefix <= address->size * 8 ? 0 : -1;
}

static int set_flags(int fd, unsigned index, unsigned up)
{
	struct ifinfomsg link = { .ifi_index = index, .ifi_flags = up, .ifi_change = IFF_UP };
	struct request_message message;

	begin(&message, RTM_NEWLINK, 0, &link, sizeof link);
	return settle(fd, &message);
}

/* Two messages: the kernel changes these only of what is down, and looks at the flags first. */
static int set_up(int fd, unsigned index, const char *name, const unsigned char *mac)
{
	struct ifinfomsg link = { .ifi_index = index };
	struct request_message message;
	int error = mac ? set_flags(fd, index, 0) : 0, up;

	if (mac)
		disconnect(); /* while it is down: no peer hears of it */
	begin(&message, RTM_NEWLINK, 0, &link, sizeof link);
	if (name)
		append_attribute(&message, IFLA_IFNAME, name, strlen(name) + 1);
	if (mac)
		append_attribute(&message, IFLA_ADDRESS, mac, MAC_SIZE);
	if (!error && (name || mac))
		error = settle(fd, &message);
	up = set_flags(fd, index, IFF_UP);
	return error ? error : up;
}

static int parse_mac(const char *text, unsigned char *mac)
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) - MAC_SIZE;
}

static int change_address(int fd, unsigned index, const struct address *address, int type)
{
	/* Whoever gives a fixed IPv6 address has made sure that it is nobody else's: it is usable at once. */
	struct ifaddrmsg local = {
		.ifa_family = address->family, .ifa_prefixlen = address->prefix, .ifa_index = index,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	struct request_message message;

	begin(&message, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &local, sizeof local);
	append_attribute(&message, IFA_LOCAL, address->bytes, address->size);
	append_attribute(&message, IFA_ADDRESS, address->bytes, address->size);
	if (address->family == AF_INET && address->prefix < 31 && type == RTM_NEWADDR) {
		uint32_t broadcast;

		memcpy(&broadcast, address->bytes, 4);
		broadcast |= htonl(0xffffffffu >> address->prefix);
		append_attribute(&message, IFA_BROADCAST, &broadcast, 4);
	}
	return settle(fd, &message);
}

static int add_default_route(int fd, unsigned index, const struct address *gateway)
{
	/* On the link even where the prefix does not say so: a machine may have a /32 behind a router. */
	struct rtmsg route = {
		.rtm_family = gateway->family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST, .rtm_flags = RTNH_F_ONLINK,
	};
	struct request_message message;

	begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, sizeof route);
	append_attribute(&message, RTA_GATEWAY, gateway->bytes, gateway->size);
	append_attribute(&message, RTA_OIF, &index, sizeof index);
	return settle(fd, &message);
}

/* Calls `visit` with each address of the interface; stops when it returns other than 0, and returns that. */
static int each_address(unsigned index, int family, int (*visit)(const struct ifaddrmsg *, const struct address *, void *),
			void *context)
{
	struct ifaddrmsg wanted = { .ifa_family = family };
	struct request_message message;
	static char answer[16384];
	int fd = open_netlink(0), result = 0, done = 0;

	begin(&message, RTM_GETADDR, NLM_F_DUMP, &wanted, sizeof wanted);
	if (fd < 0 || send(fd, &message, message.head.nlmsg_len, 0) < 0)
		done = 1;
	while (!done) {
		int length = recv(fd, answer, sizeof answer, 0);

		done = length <= 0;
		for (struct nlmsghdr *head = (void *)answer; !done && NLMSG_OK(head, (unsigned)length);
		     head = NLMSG_NEXT(head, length)) {
			struct ifaddrmsg *found = NLMSG_DATA(head);
			struct address address = { .family = family, .prefix = found->ifa_prefixlen };
			int rest = IFA_PAYLOAD(head);

			done = head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR;
			if (done || result || found->ifa_index != index || found->ifa_family != family)
				continue;
			for (struct rtattr *part = IFA_RTA(found); RTA_OK(part, rest); part = RTA_NEXT(part, rest))
				if (part->rta_type == IFA_LOCAL || (part->rta_type == IFA_ADDRESS && !address.size))
					memcpy(address.bytes, RTA_DATA(part), address.size = family == AF_INET ? 4 : 16);
			result = visit(found, &address, context);
		}
	}
	close(fd);
	return result;
}

static int delete_address(const struct ifaddrmsg *found, const struct address *address, void *context)
{
	change_address(*(int *)context, found->ifa_index, address, RTM_DELADDR);
	return 0;
}

/* The address that the host gave is the machine's: one made from an advertisement would be preferred to it as a source. */
static void make_up_no_addresses(const char *interface)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%.16s/autoconf", interface);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* no IPv6 in this kernel: nothing to make up */
	if (write(fd, "0", 1) != 1)
		complain(errno, "net: %s", path);
	close(fd);
}

int step_net(int count, char **word)
{
	int fd = open_netlink(0), error, status = 0;
	unsigned index = count ? if_nametoindex(word[0]) : 0;
	const char *name = count >= 3 && !strcmp(word[1], "name") ? word[2] : NULL;
	unsigned char mac[MAC_SIZE];
	int other = count >= 3 && !strcmp(word[1], "mac"), first = name || other ? 3 : 1;

	if (!index)
		status = complain(errno, "net: %s", count ? word[0] : "wants an interface");
	else if (other && parse_mac(word[2], mac))
		status = complain(0, "net: %s: \"%s\" is not a MAC", word[0], word[2]);
	else if ((error = set_up(fd, index, name, other ? mac : NULL)) != 0)
		status = complain(error, "net: %s up", word[0]);
	for (int i = first; !status && i < count; i++) {
		int route = !strcmp(word[i], "via");
		struct address address;

		if (!strcmp(word[i], "flush")) {
			each_address(index, AF_INET, delete_address, &fd);
			continue;
		}
		i += route;
		if (i == count || parse_address(word[i], &address) < 0) {
			status = complain(0, "net: %s: \"%s\" is not an address", word[0], i < count ? word[i] : "");
			break;
		}
		if (!route && address.family == AF_INET6)
			make_up_no_addresses(name ? name : word[0]);
		error = route ? add_default_route(fd, index, &address) : change_address(fd, index, &address, RTM_NEWADDR);
		if (error)
			status = complain(error, "net: %s %s%s", word[0], route ? "via " : "", word[i]);
	}
	close(fd);
	return status;
}

/* --- address ---------------------------------------------------------------------------------------------- */

static int print_if_usable(const struct ifaddrmsg *found, const struct address *address, void *context)
{
	char text[INET6_ADDRSTRLEN];

	(void)context;
	if (found->ifa_scope != RT_SCOPE_UNIVERSE || found->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return 0;
	inet_ntop(address->family, address->bytes, text, sizeof text);
	return printf("%s\n", text) > 0 && fflush(stdout) == 0;
}

int step_address(int count, char **word)
{
	unsigned index = count == 3 ? if_nametoindex(word[0]) : 0;
	int family = count == 3 && *word[1] == '6' ? AF_INET6 : AF_INET;
	int64_t deadline = now_ms() + (count == 3 ? atoi(word[2]) : 0) * 1000;
	/* Listening begins before the first look, or an address could come unseen between the two. */
	struct pollfd news = { .fd = open_netlink(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR), .events = POLLIN };
	char ignored[4096];

	if (!index)
		return complain(0, "address: wants IFACE 4|6 SECONDS, with an interface that exists");
	while (!each_address(index, family, print_if_usable, NULL)) {
		int64_t left = deadline - now_ms();

		if (left <= 0 || poll(&news, 1, left) < 0)
			return 1;
		if (news.revents)
			recv(news.fd, ignored, sizeof ignored, MSG_DONTWAIT);
	}
	return 0;
}
