// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// get registers a shell and gets it by a document, in which %q is its name.
func get(t *testing.T, format string) (*shell, *engine.Engine, error) {
	t.Helper()
	name, own := newName(), new(shell)
	engine.RegisterOperations(name, own)
	e, err := engine.Get(fmt.Appendf(nil, format, name))
	if err == nil && e.EngineName != name {
		t.Errorf("engineName: %q, not %q", e.EngineName, name)
	}
	return own, e, err
}

func testIdentity(t *testing.T) {
	name, own := newName(), new(shell)
	engine.RegisterOperations(name, own)
	e, err := engine.Get(document(name, `{"image":"/a.img","count":2,"nested":{"words":["a","b"]}}`))
	must(t, err)
	equal(t, "operations", e.Operations, engine.Operations(own))
	equal(t, "the common that InitConfig got", own.common, e.Common)
	equal(t, "the engine's object", e.EngineConfig, any(own.own))
	equal(t, "name", e.EngineName, name)
	equal(t, "id", e.ContainerID, "c1")
	equal(t, "image", own.own.Image, "/a.img")
	equal(t, "count", own.own.Count, 2)
	equal(t, "nested words", len(own.own.Nested.Words), 2)

	must(t, e.PrepareConfig(new(starter.Config)))
	written, err := json.Marshal(e.Common)
	must(t, err)
	want := fmt.Sprintf(`{"engineName":%q,"containerID":"prepared too","engineConfig":{"image":"prepared","count":2,`+
		`"env":null,"nested":{"words":["a","b"]}},"plugin":{"audit":{"level":3}}}`, name)
	equal(t, "written", string(written), want)

	again, err := engine.Get(written)
	must(t, err)
	equal(t, "image in the next process", own.own.Image, "prepared")
	var audit struct{ Level int }
	must(t, again.GetPluginConfig("audit", &audit))
	equal(t, "plugin in the next process", audit.Level, 3)
}

func testFresh(t *testing.T) {
	name, own := newName(), new(shell)
	engine.RegisterOperations(name, own)
	bytes := document(name, `{"image":"one"}`)
	first, err := engine.Get(bytes)
	must(t, err)
	kept := own.own
	copy(bytes, make([]byte, len(bytes)))
	second, err := engine.Get(document(name, `{"count":1}`))
	must(t, err)
	if first.Common == second.Common || kept == own.own {
		t.Error("two documents share a configuration")
	}
	equal(t, "the first one's image", kept.Image, "one")
	equal(t, "the second one's image", own.own.Image, "")
	equal(t, "the second one's count", own.own.Count, 1)
}

func testJSONRules(t *testing.T) {
	for _, test := range []struct {
		name, document, want string
	}{
		{"keys in any case", `{"ENGINENAME":%q,"EngineConfig":{"IMAGE":"a"},"containerid":"i"}`, `i {"image":"a"}`},
		{"the last repeated value wins", `{"engineName":"none","engineName":%q,"containerID":"i","containerID":"j"}`, `j {}`},
		{"repeated objects merge", `{"engineName":%q,"engineConfig":{"image":"a","env":{"A":"1","B":"1"}},` +
			`"engineConfig":{"count":1,"env":{"B":"2"}}}`, ` {"image":"a","count":1,"env":{"A":"1","B":"2"}}`},
		{"unknown keys are ignored", `{"engineName":%q,"x":{"y":[]},"engineConfig":{"z":1}}`, ` {}`},
		{"null leaves zero values", `{"engineName":%q,"containerID":null,"engineConfig":{"image":null,"env":null},` +
			`"plugin":null}`, ` {}`},
		{"an engine configuration may be missing", `{"engineName":%q}`, ` {}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			own, e, err := get(t, test.document)
			must(t, err)
			equal(t, "the engine's object", e.EngineConfig, any(own.own))
			var want settings
			must(t, json.Unmarshal([]byte(test.want[bytes.IndexByte([]byte(test.want), ' '):]), &want))
			if !reflect.DeepEqual(*own.own, want) {
				t.Errorf("engine configuration: %+v, not %+v", *own.own, want)
			}
			equal(t, "id", e.ContainerID, test.want[:bytes.IndexByte([]byte(test.want), ' ')])
		})
	}
	t.Run("a null engine configuration is nil beside the engine's zero value", func(t *testing.T) {
		own, e, err := get(t, `{"engineName":%q,"engineConfig":null}`)
		must(t, err)
		equal(t, "engineConfig", e.EngineConfig, nil)
		equal(t, "the engine's image", own.own.Image, "")
	})
	t.Run("a plugin's configuration stays as it is written", func(t *testing.T) {
		_, e, err := get(t, `{"engineName":%q,"plugin":{"a":{ "x" : 1 },"b":null}}`)
		must(t, err)
		equal(t, "a", string(e.PluginConfig["a"]), `{ "x" : 1 }`)
		equal(t, "b", string(e.PluginConfig["b"]), "null")
	})
}

func testRefused(t *testing.T) {
	for _, test := range []struct{ document, want string }{
		{``, "unexpected end of JSON input"},
		{`{"engineName":"a"`, "unexpected end of JSON input"},
		{`{"engineName":"a"} x`, "invalid character 'x' after top-level value"},
		{`no json`, "invalid character"},
		{`[]`, "cannot unmarshal array"},
		{`"a"`, "cannot unmarshal string"},
		{`null`, "engineName: missing or empty"},
		{`{}`, "engineName: missing or empty"},
		{`{"engineName":""}`, "engineName: missing or empty"},
		{`{"engineName":null}`, "engineName: missing or empty"},
		{`{"engineName":5}`, "engineName"},
	} {
		e, err := engine.Get([]byte(test.document))
		refused(t, err, "engine configuration: ", test.want)
		if e != nil {
			t.Errorf("%s: an engine beside the error", test.document)
		}
	}
}

func testPath(t *testing.T) {
	for path, document := range map[string]string{
		"engineConfig.count":        `{"engineName":%q,"engineConfig":{"count":"many"}}`,
		"engineConfig.nested.words": `{"engineName":%q,"engineConfig":{"nested":{"words":"x"}}}`,
		"engineConfig":              `{"engineName":%q,"engineConfig":[]}`,
		"containerID":               `{"engineName":%q,"containerID":1}`,
		"plugin":                    `{"engineName":%q,"plugin":"x"}`,
	} {
		_, _, err := get(t, document)
		refused(t, err, "engine \"suite-", "read its configuration", path)
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) {
			t.Errorf("%v is no *json.UnmarshalTypeError", err)
			continue
		}
		equal(t, "path", wrong.Field, path)
	}
}

func testLimit(t *testing.T) {
	_, err := engine.Get(bytes.Repeat([]byte{' '}, 64<<20+1))
	refused(t, err, "engine configuration: 67108865 bytes, at most 67108864 are possible")
}
