// SPDX-License-Identifier: Apache-2.0 OR MIT

// The other side of rpc_beneath.rs: Go's own os.Root. The argument is the root; each line asks for one thing, "open PATH" or
// "mkdir PATH", and is answered with one: "ok DEVICE INODE", "ok", or "error TEXT".
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// oPath is O_PATH, which the package syscall lacks.
const oPath = 0x200000

func main() {
	root, err := os.OpenRoot(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, path, _ := strings.Cut(lines.Text(), " ")
		answer, err := ask(root, verb, path)
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Println(answer)
	}
}

func ask(root *os.Root, verb, path string) (string, error) {
	if verb == "mkdir" {
		return "ok", root.Mkdir(path, 0o755)
	}
	file, err := root.OpenFile(path, oPath, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return "", err
	}
	system := about.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("ok %d %d", system.Dev, system.Ino), nil
}
