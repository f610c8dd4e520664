"""What plugs machines in: links and TAPs, the guard at their ports, the private network's DHCP, DNS and routes."""
