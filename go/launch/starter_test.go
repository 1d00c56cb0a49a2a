// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// This binary is the starter as well, which argv[0] says: a launcher gives it nothing else. It is also the front end of the tests
// that need a process of their own.
func TestMain(m *testing.M) {
	if orders, is := strings.CutPrefix(os.Args[0], starterName); is {
		// Not os.Exit, which says something on the standard error stream where coverage is measured.
		syscall.Exit(runStarter(orders))
	}
	if len(os.Args) == 3 && os.Args[1] == "front-end" {
		syscall.Exit(runFrontEnd(os.Args[2]))
	}
	os.Exit(m.Run())
}

const starterName = "starter under test "

// orders are what a starter does, in its argv[0].
type orders struct {
	// Report is the file that it writes its report to; the standard output without.
	Report string `json:",omitempty"`
	// Copy copies the standard input to the standard output, in place of a report, and says so on the standard error stream.
	Copy   bool        `json:",omitempty"`
	Signal unix.Signal `json:",omitempty"`
	Exit   int         `json:",omitempty"`
}

// report is what a starter was given.
type report struct {
	Arguments   []string
	Environment []string
	// Streams are what the descriptors 0, 1 and 2 lead to.
	Streams [3]string
	// Inherited are the descriptors above them that came from the launcher, with what they lead to.
	Inherited map[int]string
	// Size and Sum are of the configuration, however it came; Document is the whole where it is short.
	Size     int
	Sum      string
	Document string
	// Sealed tells of the memory file; nil where there is none.
	Sealed *sealedReport
}

type sealedReport struct {
	Descriptor      int
	Seals           int
	Regular, Memory bool
}

func (o orders) name() string {
	return starterName + encode(o)
}

func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func runStarter(text string) int {
	var orders orders
	var err error
	if err = json.Unmarshal([]byte(text), &orders); err == nil {
		err = orders.obey()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	if orders.Signal != 0 {
		_ = unix.Kill(os.Getpid(), orders.Signal)
		select {}
	}
	return orders.Exit
}

func (o orders) obey() error {
	if o.Copy {
		fmt.Fprintln(os.Stderr, "copied")
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	}
	given := &report{Arguments: os.Args, Environment: os.Environ(), Inherited: inheritable()}
	for number := range given.Streams {
		given.Streams[number] = target(number)
	}
	document, err := given.configuration()
	if err != nil {
		return err
	}
	given.Size, given.Sum = len(document), sum(string(document))
	if len(document) < 4096 {
		given.Document = string(document)
	}
	if o.Report == "" {
		_, err = fmt.Println(encode(given))
		return err
	}
	return os.WriteFile(o.Report, []byte(encode(given)), 0o600)
}

// configuration reads it as a starter does.
func (r *report) configuration() ([]byte, error) {
	if number, is := os.LookupEnv("PINION_CONFIG_FD"); is {
		fd, err := strconv.Atoi(number)
		if err != nil {
			return nil, err
		}
		return r.sealed(fd)
	}
	count, err := strconv.Atoi(os.Getenv("ENGINE_CONFIG_CHUNKS"))
	if err != nil {
		return nil, err
	}
	var document bytes.Buffer
	for number := range count {
		document.WriteString(os.Getenv("ENGINE_CONFIG" + strconv.Itoa(number+1)))
	}
	return document.Bytes(), nil
}

func (r *report) sealed(fd int) ([]byte, error) {
	var stat unix.Stat_t
	var system unix.Statfs_t
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err == nil {
		err = unix.Fstat(fd, &stat)
	}
	if err == nil {
		err = unix.Fstatfs(fd, &system)
	}
	if err != nil {
		return nil, fmt.Errorf("look at descriptor %d: %w", fd, err)
	}
	r.Sealed = &sealedReport{fd, seals, stat.Mode&unix.S_IFMT == unix.S_IFREG, system.Type == unix.TMPFS_MAGIC}
	return io.ReadAll(os.NewFile(uintptr(fd), "configuration"))
}

// inheritable are the descriptors above the standard streams without close-on-exec: all that a Go program opens itself have it.
func inheritable() map[int]string {
	found := map[int]string{}
	for fd := 3; fd < 256; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			found[fd] = target(fd)
		}
	}
	return found
}

func target(fd int) string {
	target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return target
}

func sum(document string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(document)))
}
