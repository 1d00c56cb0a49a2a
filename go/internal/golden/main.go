// SPDX-License-Identifier: Apache-2.0 OR MIT

// Golden writes what a new Go process sends for each sample into the directory that it is given, or to its standard
// output for the one sample that it is given besides.
package main

//go:generate go run . ../../../rust/tests/golden

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// An entry of the index: the file NAME.gob, and its values as JSON.
type entry struct {
	Name string
	JSON []any
}

func main() {
	switch len(os.Args) {
	case 2:
		write(os.Args[1])
	case 3:
		// Numbers are given to types once in a process, so every sample has its own.
		encoder := gob.NewEncoder(os.Stdout)
		for _, value := range samples()[os.Args[2]] {
			if when, ok := value.(*time.Time); ok {
				// A pointer to it would travel without the type's name.
				value = *when
			}
			check(encoder.Encode(value))
		}
	default:
		check(fmt.Errorf("usage: %s DIRECTORY [SAMPLE]", os.Args[0]))
	}
}

func write(directory string) {
	var index []entry
	for _, name := range sorted(samples()) {
		command := exec.Command(os.Args[0], directory, name)
		command.Stderr = os.Stderr
		stream, err := command.Output()
		check(err)
		check(os.WriteFile(filepath.Join(directory, name+".gob"), stream, 0o644))
		entry := entry{Name: name}
		for _, value := range samples()[name] {
			entry.JSON = append(entry.JSON, shown(value))
		}
		index = append(index, entry)
	}
	text, err := json.MarshalIndent(index, "", "\t")
	check(err)
	check(os.WriteFile(filepath.Join(directory, "index.json"), append(text, '\n'), 0o644))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
