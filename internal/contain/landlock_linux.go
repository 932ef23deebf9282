package contain

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Rights by what they are for. A program may run what it may read, but nothing
// that it wrote itself.
const (
	readRights  = ll.AccessFSReadFile | ll.AccessFSReadDir
	runRights   = readRights | ll.AccessFSExecute
	fileRights  = ll.AccessFSReadFile | ll.AccessFSExecute // those that a file has
	writeRights = readRights | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeSym
)

// The first ABI of Landlock that knows something.
const (
	abiRefer  = 2
	abiPorts  = 4
	abiScopes = 6
	abiUnix   = 9
)

// restrict applies Landlock and says what is missing. With namespaces most of
// it is a second wall: the program already sees nothing else.
func restrict(p *Policy, namespaces bool) (missing []string, err error) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		missing = append(missing, "files are not held to what is granted: the kernel lacks Landlock (5.13)")
		if namespaces {
			return nil, nil // the root folder holds nothing else
		}
		return append(missing, missingNetwork(p)...), nil
	}
	if !namespaces {
		missing = gaps(p, abi)
	}
	rules, err := pathRules(p, namespaces, abi)
	if err != nil {
		return nil, err
	}
	// In its own network a program may use all ports: they lead where the
	// launcher listens.
	config := landlock.V11
	if namespaces {
		config.HandledAccessNet = 0
	} else {
		for _, text := range p.ports() {
			port, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("port %q: %w", text, err)
			}
			rules = append(rules, landlock.ConnectTCP(uint16(port)))
		}
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		return nil, fmt.Errorf("landlock: %w", err)
	}
	return missing, nil
}

// ports are those that a program without a network of its own connects to.
func (p *Policy) ports() (list []string) {
	if p.proxyPort != "" {
		list = append(list, p.proxyPort)
	}
	for _, t := range p.Net {
		if !t.proxied() {
			list = append(list, t.Port)
		}
	}
	return list
}

// gaps is what Landlock does not do here, where it is alone.
func gaps(p *Policy, abi int) (missing []string) {
	if abi < abiUnix {
		missing = append(missing, "sockets of other programs in the file system can be connected to (without namespaces that takes a kernel with Landlock ABI 9)")
	}
	if abi < abiScopes {
		missing = append(missing, "other processes of yours can be signalled, and their abstract sockets connected to (without namespaces that takes kernel 6.12)")
	}
	switch {
	case len(p.Net) == 0:
	case abi < abiPorts:
		missing = append(missing, missingNetwork(p)...)
	default:
		missing = append(missing, "the TCP ports "+strings.Join(p.ports(), ", ")+" can be reached on every host, not on the granted one alone")
	}
	return missing
}

func missingNetwork(p *Policy) []string {
	if len(p.Net) == 0 {
		return nil // then there are no sockets at all
	}
	return []string{"every host and port can be reached over TCP, not what is granted alone (without namespaces that takes kernel 6.7)"}
}

func pathRules(p *Policy, namespaces bool, abi int) ([]landlock.Rule, error) {
	var rules []landlock.Rule
	add := func(rights landlock.AccessFSSet, path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("what is granted cannot be read: %w", err)
		}
		if !info.IsDir() {
			rights &= fileRights
		}
		rules = append(rules, landlock.PathAccess(rights, path))
		return nil
	}
	system := slices.Concat(systemFolders(), systemFiles())
	if namespaces {
		system = append(system, hostsFile, "/proc")
	} else {
		system = append(system, hostsFile, "/etc/resolv.conf", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu")
	}
	for _, path := range system {
		if _, err := os.Stat(path); err == nil { // not every system has all of them
			if err := add(runRights, path); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range p.Read { // also to run: an interpreter may be what is granted
		if err := add(runRights, path); err != nil {
			return nil, err
		}
	}
	if err := add(runRights, p.Path); err != nil {
		return nil, err
	}
	writable := landlock.AccessFSSet(writeRights)
	if abi >= abiRefer {
		writable |= ll.AccessFSRefer
	}
	if abi >= abiUnix {
		writable |= ll.AccessFSResolveUnix // the host's sockets
	}
	rules = append(rules, landlock.PathAccess(writable, append(slices.Clone(p.Write), p.Base)...))
	return append(rules, landlock.RWFiles(devices()...).IgnoreIfMissing()), nil
}
