"""What a network is made of, used inside a machine: packets must pass, or be stopped, and not only links be made.

Each script runs in namespaces of its own, with `pair` at hand: two hosts a and b (network namespaces), joined by a cable
that is called `cable` on both sides, with addresses 10.1.0.1 and 10.1.0.2, fd01::1 and fd01::2.
"""

from __future__ import annotations

import pytest

from system.support.kernel_box import box_fixture, passes  # noqa: F401 - a fixture

pytestmark = [pytest.mark.root, pytest.mark.machine, pytest.mark.network]

PRELUDE = """
    mkdir -p /run/netns && mount -t tmpfs own /run/netns && mount -t tmpfs own /mnt && cd /mnt && ip link set lo up
    on()    { ip netns exec "$@"; }
    host()  { ip netns add $1; ip -n $1 link set lo up; }
    place() { ip -n $1 address add $3 dev $2 $4; ip -n $1 link set $2 up; }
    ping1() { on $1 ping -q -c1 -W5 $2; }
    fails() { if "$@"; then return 1; fi; }
    stopped() { fails on $1 ping -q -c1 -W0.2 $2; }
    pair()  {
        host a; host b; ip link add cable netns a type veth peer name cable netns b
        place a cable 10.1.0.1/24; place a cable fd01::1/64 nodad; place b cable 10.1.0.2/24; place b cable fd01::2/64 nodad
    }
"""
SCRIPTS = {
    "veth": "pair; ping1 a 10.1.0.2",
    "IPv6": "pair; ping1 a fd01::2; ping1 b fd01::1; ip -n a -6 neighbour | grep fd01::2",
    "bridge": """
        ip link add middle type bridge; ip link set middle up
        for number in 1 2; do
            host h$number; ip link add port$number type veth peer name cable netns h$number
            ip link set port$number master middle up; place h$number cable 10.2.0.$number/24
        done
        ping1 h1 10.2.0.2; bridge fdb show br middle | grep port2
        bridge vlan add dev port2 vid 7 pvid untagged; bridge vlan del dev port2 vid 1; ip link set middle type bridge vlan_filtering 1
        stopped h1 10.2.0.2""",
    "vlan": """
        pair
        for one in a b; do ip -n $one link add link cable name tagged type vlan id 5; done
        place a tagged 10.5.0.1/24; place b tagged 10.5.0.2/24; ping1 a 10.5.0.2""",
    "macvlan": """
        pair; host c; ip -n b link add second link cable netns c type macvlan mode bridge
        place c second 10.1.0.3/24; ping1 a 10.1.0.3""",
    "vxlan": """
        pair
        ip -n a link add far type vxlan id 9 dstport 4789 remote 10.1.0.2 local 10.1.0.1
        ip -n b link add far type vxlan id 9 dstport 4789 remote 10.1.0.1 local 10.1.0.2
        place a far 10.9.0.1/24; place b far 10.9.0.2/24; ping1 a 10.9.0.2""",
    "wireguard": """
        pair
        for one in a b; do wg genkey > $one.key; wg pubkey < $one.key > $one.public; ip -n $one link add wg0 type wireguard; done
        on a wg set wg0 listen-port 51820 private-key a.key peer $(cat b.public) allowed-ips 10.8.0.2/32 endpoint 10.1.0.2:51820
        on b wg set wg0 listen-port 51820 private-key b.key peer $(cat a.public) allowed-ips 10.8.0.1/32
        place a wg0 10.8.0.1/24; place b wg0 10.8.0.2/24; ping1 a 10.8.0.2; on b wg show wg0 latest-handshakes | grep -v '\\s0$'""",
    "gre": """
        pair
        ip -n a link add tunnel type gre local 10.1.0.1 remote 10.1.0.2; ip -n b link add tunnel type gre local 10.1.0.2 remote 10.1.0.1
        place a tunnel 10.6.0.1/24; place b tunnel 10.6.0.2/24; ping1 a 10.6.0.2""",
    "bond": """
        host a; host b; ip -n a link add bond0 type bond mode active-backup miimon 100; ip -n b link add bond0 type bond mode active-backup miimon 100
        for number in 1 2; do
            ip link add leg$number netns a type veth peer name leg$number netns b
            for one in a b; do ip -n $one link set leg$number master bond0; ip -n $one link set leg$number up; done
        done
        place a bond0 10.7.0.1/24; place b bond0 10.7.0.2/24; ping1 a 10.7.0.2
        for one in a b; do ip -n $one link set leg1 down; done; on a ping -q -c20 -i0.2 -W1 10.7.0.2""",
    "tun": "python3 /root/inside/tun.py",
    "forwarding": """
        pair; host c; ip link add far netns b type veth peer name far netns c
        place b far 10.4.0.1/24; place c far 10.4.0.2/24; ip -n a route add default via 10.1.0.2; ip -n c route add default via 10.4.0.1
        on b sysctl -qw net.ipv4.ip_forward=1; ping1 a 10.4.0.2
        on b nft 'add table ip f; add chain ip f c { type filter hook forward priority 0; policy drop; }'; stopped a 10.4.0.2""",
    "policy routing": """
        pair; ip -n a address add 10.1.0.9/24 dev cable; ip -n a rule add from 10.1.0.9 table 99; ip -n a route add blackhole default table 99
        ping1 a 10.1.0.2; fails on a ping -q -c1 -W0.2 -I 10.1.0.9 10.1.0.2; ip -n a rule | grep 'lookup 99'""",
    "nftables": """
        pair
        on b nft -f - << 'END'
            table inet f {
                set bad { type ipv4_addr; flags interval; elements = { 10.1.0.128/25 }; }
                chain in { type filter hook input priority 0; ct state established,related accept; ip saddr @bad counter drop; }
            }
            table ip n {
                chain p { type nat hook prerouting priority -100; ip daddr 10.99.0.1 dnat to 10.1.0.2; }
            }
END
        ip -n a address add 10.1.0.200/24 dev cable; ip -n a route add 10.99.0.1 via 10.1.0.2
        ping1 a 10.1.0.2; ping1 a 10.99.0.1; fails on a ping -q -c1 -W0.2 -I 10.1.0.200 10.1.0.2
        on b nft list chain inet f in | grep 'packets 1'""",
    "iptables": """
        pair; iptables --version | grep nf_tables
        on b iptables -A INPUT -p icmp -m limit --limit 1/hour --limit-burst 1 -m comment --comment one -j ACCEPT
        on b iptables -A INPUT -p icmp -m conntrack --ctstate NEW,ESTABLISHED -j DROP
        on a iptables -t nat -A OUTPUT -d 10.99.0.1 -j DNAT --to-destination 10.1.0.2; ip -n a route add default via 10.1.0.2
        ping1 a 10.99.0.1; stopped a 10.1.0.2; on b iptables -vL INPUT | grep -E '^ *1 .*DROP'
        on b ip6tables -A INPUT -s fd01::1 -p icmpv6 --icmpv6-type echo-request -j REJECT; stopped a fd01::2""",
    "ebtables": """
        ip link add middle type bridge; ip link set middle up
        for number in 1 2; do
            host h$number; ip link add port$number type veth peer name cable netns h$number
            ip link set port$number master middle up; place h$number cable 10.2.0.$number/24
        done
        ping1 h1 10.2.0.2; ebtables -A FORWARD -p IPv4 --ip-proto icmp -o port2 -j DROP; stopped h1 10.2.0.2""",
    "ipset": """
        pair; on b ipset create bad hash:net; on b ipset add bad 10.1.0.0/25
        on b iptables -A INPUT -m set --match-set bad src -j DROP; stopped a 10.1.0.2; on b ipset del bad 10.1.0.0/25; ping1 a 10.1.0.2""",
    "traffic control": """
        pair; on a tc qdisc add dev cable root netem loss 100%; stopped a 10.1.0.2; on a tc qdisc del dev cable root
        on a tc qdisc add dev cable root handle 1: htb default 1; on a tc class add dev cable parent 1: classid 1:1 htb rate 10mbit
        on a tc filter add dev cable parent 1: protocol ip u32 match ip dst 10.1.0.2/32 action drop; stopped a 10.1.0.2
        on a tc filter show dev cable parent 1: | grep -q 'action drop'""",
    "packet sockets": """
        pair; on b tcpdump -Z root -lnq -c1 -i cable icmp > seen 2> ready & while fails grep listening ready; do sleep 0.05; done
        ping1 a 10.1.0.2; wait; grep '10.1.0.1 > 10.1.0.2' seen""",
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_network(box, name):
    passes(box, PRELUDE + SCRIPTS[name], "--net")
