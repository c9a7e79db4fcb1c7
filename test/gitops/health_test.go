// Package gitops runs what docs/gitops.md gives to other programs, as they do.
package gitops

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

// script is the page's health check, as Argo CD reads it from its ConfigMap.
func script(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		var config struct {
			Data map[string]string `json:"data"`
		}
		if err := yaml.Unmarshal([]byte(block), &config); err != nil {
			t.Fatal(err)
		}
		if s := config.Data["resource.customizations.health.serving.olmoe.dev_OLMoEDeployment"]; s != "" {
			return s
		}
	}
	t.Fatal("docs/gitops.md has no health check for Argo CD")
	return ""
}

// health runs the script on an object: in Lua without libraries but the basic ones, with
// the object as the global "obj", as Argo CD does.
func health(t *testing.T, object string) (status, message string) {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	if err := l.CallByParam(lua.P{Fn: l.NewFunction(lua.OpenBase), Protect: true}, lua.LString("")); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(object), &v); err != nil {
		t.Fatal(err)
	}
	l.SetGlobal("obj", value(l, v))
	if err := l.DoString(script(t)); err != nil {
		t.Fatal(err)
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s", l.Get(-1))
	}
	return table.RawGetString("status").String(), table.RawGetString("message").String()
}

// value is a JSON value in Lua.
func value(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	case []any:
		t := l.NewTable()
		for _, e := range v {
			t.Append(value(l, e))
		}
		return t
	case map[string]any:
		t := l.NewTable()
		for key, e := range v {
			t.RawSetString(key, value(l, e))
		}
		return t
	}
	return lua.LNil
}

// TestArgoHealth: an object is healthy when it is Ready, degraded when somebody has to act,
// and on its way otherwise; what the status says of an older spec does not count.
func TestArgoHealth(t *testing.T) {
	conditions := func(ready, stalled string) string {
		return `{"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": [
			{"type": "Ready", "status": "` + ready + `", "message": "ready says"},
			{"type": "Reconciling", "status": "Unknown", "message": ""},
			{"type": "Stalled", "status": "` + stalled + `", "message": "stalled says"},
			{"type": "Available", "status": "True", "message": "requests are served"}]}}`
	}
	for _, c := range []struct{ name, object, status, message string }{
		{"all as wanted", conditions("True", "False"), "Healthy", "ready says"},
		{"on its way", conditions("False", "False"), "Progressing", "ready says"},
		{"stuck", conditions("False", "True"), "Degraded", "stalled says"},
		{"just made", `{"metadata": {"generation": 1}}`, "Progressing", "the operator has not looked at it yet"},
		{"as the API server makes it", `{"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}`, "Progressing", "the operator has not looked at it yet"},
		{"changed since", strings.Replace(conditions("True", "False"), `"generation": 2`, `"generation": 3`, 1), "Progressing", "the operator has not looked at it yet"},
	} {
		if status, message := health(t, c.object); status != c.status || message != c.message {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, status, message, c.status, c.message)
		}
	}
}
