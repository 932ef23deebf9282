package contain

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// In its own network namespace a program has no network at all. For each
// place that it may connect to, the launcher listens there, under the place's
// own name or address, and hands the socket to the host, which carries what
// comes to the real place. The program needs to know nothing of it: names come
// from /etc/hosts, and TLS goes through as it is.

// maxTargets bounds the sockets that fit one message.
const maxTargets = 200

// addresses gives each name the address under which it is reached.
func addresses(targets []Target) map[string]string {
	out := map[string]string{}
	for _, t := range targets {
		if _, err := netip.ParseAddr(t.Host); err == nil || t.Host == "localhost" || out[t.Host] != "" {
			continue
		}
		out[t.Host] = fmt.Sprintf("127.0.1.%d", len(out)+1)
	}
	return out
}

// forward listens for the places and hands the sockets over.
func forward(targets []Target) error {
	if len(targets) == 0 {
		return nil
	}
	if len(targets) > maxTargets {
		return fmt.Errorf("%d places in the network are too many", len(targets))
	}
	ctl, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(ctl) }()
	if err := linkUp(ctl); err != nil {
		return err
	}
	names := addresses(targets)
	var rights []int
	var extra int
	for _, t := range targets {
		host := t.Host
		switch address, err := netip.ParseAddr(host); {
		case names[host] != "":
			host = names[host]
		case host == "localhost":
			host = "127.0.0.1"
		case err == nil && !address.IsLoopback():
			extra++
			if err := addAddress(ctl, extra, address); err != nil {
				return fmt.Errorf("%s: %w", host, err)
			}
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, t.Port))
		if err != nil {
			return err
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close(); _ = l.Close() }() // the host's copies stay
		rights = append(rights, int(f.Fd()))
	}
	return unix.Sendmsg(socketFD, []byte{0}, unix.UnixRights(rights...), nil, 0)
}

// linkUp switches the loopback on.
func linkUp(ctl int) error {
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(ctl, unix.SIOCSIFFLAGS, req)
}

// addAddress gives the loopback one more address.
func addAddress(ctl, n int, address netip.Addr) error {
	if !address.Is4() {
		return fmt.Errorf("only names and IPv4 addresses can be granted beside ::1")
	}
	req, err := unix.NewIfreq(fmt.Sprintf("lo:%d", n))
	if err != nil {
		return err
	}
	b := address.As4()
	if err := req.SetInet4Addr(b[:]); err != nil {
		return err
	}
	return unix.IoctlIfreq(ctl, unix.SIOCSIFADDR, req)
}
