// SPDX-License-Identifier: Apache-2.0 OR MIT

package mixed

import (
	"strings"
	"testing"
)

// Methods in C and in Rust answer an engine in Go over one connection, in whichever way the RPC server is asked for: methods of
// an engine's own need the program.
func TestMethodsInCAnswerAnEngineInGo(t *testing.T) {
	for name, native := range map[string]bool{"as it is": false, "native": true} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			status, said := begin(t, "mixedstarter", "mixed-go",
				map[string]any{"Native": native, "Folder": folder, "Script": "exit 7"}).end()
			exits(t, 7, status, said)
			want := strings.ReplaceAll(`Repeat: {abcabcabc 9}
Repeat: repeat {"Text":"abc","Times":-1}: a text is repeated 0 to 9 times
Double: 42
Double: -12
Double: double: expected an int from -32 to 31
Mkdir: 0
Answer: true
Answer: true
Ask: who
Ask: ask: the thread refuses
Stat: made drwx------
Stat: stat FOLDER/nothing: no such file or directory
Nope: rpc: can't find method mixed-go.Nope
`, "FOLDER", folder)
			if said != want {
				t.Errorf("said\n%s\nnot\n%s", said, want)
			}
		})
	}
}
