package chat

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// Sizes of what the operations of TestOperationsPay read.
const (
	big, list, many = 1 << 16, 5000, 1000
	bigList         = list * valueBytes
	manyEntries     = many * (2*valueBytes + 4) // keys of four bytes
	pairs           = many * 4 * valueBytes     // of keys and values, as lists
	each            = bytesPerWork              // a unit for each member
)

// said is what a template says itself.
var said = strings.Repeat("word ", 8000)

// charges are about the bytes that an operation reads and makes.
var charges = []struct {
	what  string
	bytes int
}{
	{"big[1:]", big}, {"big[30000]", 30_000}, {"big[-30000]", 30_000}, {"big[2000000]", big}, {"big[-2000000]", big},
	{"big < big", 2 * big}, {"big < 1", big}, {"1 < big", big}, {"big == big", big}, {"big == 'x'", 1}, {"'x' != big", 1},
	{"'y' in big", big}, {"big is in(big)", 2 * big}, {"big is upper", big}, {"big is lower", big}, {"big is eq(big)", big}, {"big is string", 1},
	{"big + big", 2 * big}, {"big ~ 1", big}, {"1 ~ big", big}, {"big * 2", 2 * big}, {"big | upper", big}, {"big.upper()", big}, {"big.split('y')", big},
	{"big.split('x')", big * (1 + valueBytes)}, {"big | length", big}, {"big | trim", big}, {"big.strip()", big}, {"big | string", 1}, {"big | tojson", 2 * big},
	{"big | indent", big}, {"big | replace('xx', 'yyy')", big + big/2}, {"big.replace('xx', 'y')", 2 * big}, {"big.join([1, 2, 3])", 4 * big},
	{"[big, big] | join(big)", 6 * big}, {"big | list", big * each}, {"big | reverse", big * each}, {"big | sort", big * each}, {"big | map('upper')", 2 * big * each},
	{"{% for c in big %}{% break %}{% endfor %}", big * each},
	{"{% for i in [1, 2] %}" + said + "{% endfor %}", 2 * len(said)},
	{"{% for i in [1, 2] %}{% if i %}" + said + "{% endif %}{% endfor %}", 2 * len(said)},
	{"{% for i in [1, 2] %}{% raw %}" + said + "{% endraw %}{% endfor %}", 2 * len(said)},
	{"{% for i in [1, 2] %}{% generation %}" + said + "{% endgeneration %}{% endfor %}", 2 * len(said)},
	{"[][big]", 1}, {"many[big]", 1},

	{"list[::2]", bigList}, {"list[1:]", 1}, {"list[1]", 1}, {"list == list", sorting * 2 * bigList}, {"list != [1]", sorting * bigList}, {"list == 1", 1},
	{"-1 in list", bigList}, {"-1 in [list]", bigList}, {"list in [1, 2, 3]", sorting * 3 * bigList}, {"list is in([[]])", sorting * bigList},
	{"list is sameas(list)", sorting * 2 * bigList}, {"list.count(-1)", bigList}, {"list.index(1)", bigList}, {"list + list", 2 * bigList},
	{"list ~ 1", bigList}, {"list | length", 1}, {"list | list", bigList}, {"list | reverse", bigList}, {"list | sort", 13 * bigList}, {"list | last", bigList},
	{"list | map('upper')", 2 * list * each}, {"list | tojson", bigList}, {"list | string", bigList}, {"list | join", list * each}, {"range(5000)", bigList},
	{"[list, list]", 2 * bigList}, {"{% for x in list %}{% break %}{% endfor %}", list * each},
	{"{% for i in [1] %}{% set x = loop.changed(list) %}{% endfor %}", bigList},

	{"many['1007']", 1}, {"many.get('1008')", 1}, {"many == many", sorting * 2 * manyEntries}, {"'x' in many", 2 * many * valueBytes}, {"many in [{}]", sorting * manyEntries},
	{"many.items()", pairs}, {"many | items", pairs}, {"many | dictsort", manyEntries + pairs}, {"many.values()", 2 * many * valueBytes}, {"many.keys()", 2 * many * valueBytes},
	{"many | list", 2 * many * valueBytes}, {"many | tojson", manyEntries}, {"many | select", many * each}, {"many ~ 1", manyEntries},
	{"dict(a=many)", manyEntries}, {"namespace(a=many)", 1}, {"{'a': many}", manyEntries}, {"{% for k in many %}{% break %}{% endfor %}", many * each},
}

// Each operation pays for what it reads and makes, and not for much more: then maxWork
// bounds the time and memory of any template, and what real ones do fits in.
func TestOperationsPay(t *testing.T) {
	vars := map[string]any{"big": strings.Repeat("x", big)}
	members, entries := make([]any, list), map[string]any{}
	for i := range members {
		members[i] = i
	}
	for i := range many {
		entries[strconv.Itoa(1000+i)] = i
	}
	vars["list"], vars["many"] = members, entries
	for _, c := range charges {
		got := work(t, c.what, vars)
		if least := c.bytes / bytesPerWork; got < least || got > 2*least+20 {
			t.Errorf("%.60s: %d units of work, want about %d", c.what, got, least)
		}
	}
}

// An entry of a dict that the template wrote down is looked for from the first on.
func TestEntriesOfLiteralsPay(t *testing.T) {
	const n = 300
	literal := "{% set d = {"
	for i := range n {
		literal += fmt.Sprintf("'%d': 1,", i)
	}
	literal += "} %}"
	made := work(t, literal, nil)
	for key, steps := range map[string]int{"'0'": 0, "'299'": n - 1, "'nope'": n, "[1]": 0} {
		if got, want := work(t, literal+"{% set x = d["+key+"] %}", nil)-made, steps*valueBytes/bytesPerWork; got < want || got > want+4 {
			t.Errorf("d[%s]: %d units of work, want about %d", key, got, want)
		}
	}
}

// work is what a template, or the setting of an expression, takes from the budget.
func work(t *testing.T, template string, vars map[string]any) int {
	t.Helper()
	if !strings.HasPrefix(template, "{%") {
		template = "{% set x = " + template + " %}"
	}
	const much = 1 << 30
	r := &render{budget: newBudget()}
	r.budget.work = much
	if _, err := r.execute(mustParse(t, template).engine, vars); err != nil {
		t.Errorf("%s: %v", template, err)
	}
	return much - r.budget.work
}
