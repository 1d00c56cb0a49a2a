// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"encoding/json"
	"fmt"
	"os"
)

// newCommand finds out everything that can be wrong before the starter's environment is made.
func newCommand(name string, config any, ops []CommandOp) (*Command, error) {
	host, err := current()
	if err != nil {
		return nil, err
	}
	command := &Command{name: name, host: host}
	for _, op := range ops {
		op(command)
	}
	if err := checkWord("argv[0]", name); err != nil {
		return nil, err
	}
	if command.path, err = host.starter(command.useSuid); err != nil {
		return nil, err
	}
	if err := command.checkStreams(); err != nil {
		return nil, err
	}
	command.document, err = serialise(config)
	return command, err
}

// serialise writes the configuration as encoding/json does, whose output has no NUL whatever wrote parts of it.
func serialise(config any) ([]byte, error) {
	document, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("engine configuration: serialise %T: %w", config, err)
	}
	if document[0] != '{' {
		// A nil pointer, or JSON in a byte slice, which encoding/json makes a string of.
		return nil, helped(fmt.Sprintf("engine configuration: %T is no object in JSON but %.20s", config, document),
			"give a pointer to a configuration, or a json.RawMessage for what is JSON already")
	}
	return document, nil
}

// streams are the standard streams as they were given, by number.
func (c *Command) streams() [3]any {
	return [3]any{c.stdin, c.stdout, c.stderr}
}

// streamNames are for messages, by number.
var streamNames = [3]string{"standard input", "standard output", "standard error stream"}

// checkStreams refuses files that are not open: os/exec would start the starter without the stream.
func (c *Command) checkStreams() error {
	for number, stream := range c.streams() {
		if file, ok := stream.(*os.File); ok && int(file.Fd()) < 0 {
			return fmt.Errorf("%s: the file is not open: %w", streamNames[number], os.ErrClosed)
		}
	}
	return nil
}
