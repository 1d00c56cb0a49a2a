// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWhatPrepareConfigLeavesHasNoJSON(t *testing.T) {
	for deed, says := range map[string]string{
		"leave a channel":                   "json: unsupported type: chan int",
		"leave what does not marshal":       "no JSON of mine: an error of the engine's own",
		"leave what panics when marshalled": "encoding the configuration panicked: MarshalJSON panics",
		"leave what exits when marshalled":  "PrepareConfig: stage1 ended without a decision: exit code 3",
		"write a channel":                   "serialise the engine configuration: json: unsupported type: chan int",
		"write what panics":                 "PrepareConfig panicked: MarshalJSON panics",
	} {
		t.Run(deed, func(t *testing.T) {
			start{own: do("PrepareConfig", deed), hosts: true}.run(t).exits(fails).
				says("pinion: error: ", says).once("bad: CleanupHost\n").without("bad: CreateContainer")
		})
	}
}

// The next process reads what it cannot use.
func TestWhatPrepareConfigLeavesIsOfNoUse(t *testing.T) {
	for deed, says := range map[string]string{
		"leave nil":          "StartProcess panicked: ",
		"leave another name": `engine "nobody" is not found`,
		"leave no name":      "engineName: missing or empty",
	} {
		t.Run(deed, func(t *testing.T) {
			start{own: do("PrepareConfig", deed), hosts: true}.run(t).exits(fails).says(says).once("bad: CleanupHost\n")
		})
	}
}

func TestAConfigurationOfAnImpossibleType(t *testing.T) {
	for engine, says := range map[string]string{"a channel": "chan int", "a function": "func()"} {
		t.Run(engine, func(t *testing.T) {
			start{engine: engine, own: own{"Text": "x"}}.run(t).exits(fails).says("pinion: error: ", says)
		})
	}
}

const most = 64 << 20

// document is one of so many bytes, which it still has when the engine has written it again, and with the longest text.
func document(size int, do string) (whole []byte, text int) {
	const format = `{"engineName":"bad","containerID":"","engineConfig":` +
		`{"Args":["/bin/sh","-c","exit 7"],"Do":%s,"Text":"%s","Hasty":true},"plugin":null}`
	text = size - len(fmt.Sprintf(format, do, ""))
	return fmt.Appendf(nil, format, do, strings.Repeat("x", text)), text
}

// A document at the limit comes and is left by PrepareConfig.
func TestADocumentHas64MiBAndNoByteMore(t *testing.T) {
	const do = `{"CreateContainer":"tell the length"}`
	whole, text := document(most, do)
	// A core without optimisation takes a quarter of a minute for it, under the race detector and beside others much longer.
	start{document: whole, byDescriptor: true, limit: 5 * time.Minute}.run(t).exits(works).
		says(fmt.Sprintf("bad: CreateContainer: text of %d bytes", text))
	whole, _ = document(most+1, do)
	start{document: whole, byDescriptor: true}.run(t).exits(fails).once("pinion: error: ").
		says("67108865 bytes, at most 67108864 are possible").without("bad: PrepareConfig")
}

func TestPrepareConfigLeavesNoByteMore(t *testing.T) {
	for _, deed := range []string{"leave 64 MiB and a byte", "write 64 MiB and a byte"} {
		start{own: do("PrepareConfig", deed), hosts: true}.run(t).exits(fails).once("pinion: error: ").
			says("67108865 bytes, at most 67108864 are possible").once("bad: CleanupHost\n")
	}
}

func TestByEnvironmentADocumentHasEightChunks(t *testing.T) {
	whole, _ := document(8*chunk, "{}")
	start{document: whole}.run(t).exits(works)
	whole, _ = document(8*chunk+1, "{}")
	start{document: whole}.run(t).exits(fails).says(`ENGINE_CONFIG_CHUNKS: "9" is no number from 1 to 8`)
}

func TestDocumentsThatAreNone(t *testing.T) {
	for text, says := range map[string]string{
		`{`:                       "engine configuration",
		`null`:                    "engineName: missing or empty",
		`{"engineName":5}`:        "engineName",
		`{"engineName":"nobody"}`: `engine "nobody" is not found`,
		`{"engineName":"bad","engineConfig":{"Args":5}}`: "Args",
		`{"engineName":"bad","engineConfig":[]}`:         "engineConfig",
	} {
		t.Run(text, func(t *testing.T) {
			start{document: []byte(text), hosts: true}.run(t).exits(fails).once("pinion: error: ").says(says).
				without("bad: PrepareConfig")
		})
	}
}
