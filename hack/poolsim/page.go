package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// writePage puts the tables into the page, each between its two marks.
func writePage(file string, r *results) error {
	text, err := os.ReadFile(file) //nolint:gosec // the user says which file
	if err != nil {
		return err
	}
	page := string(text)
	for _, t := range []struct{ mark, table string }{
		{"days", daysTable(r.Days, isDocumented)},
		{"other days", daysTable(r.Days, func(s setup) bool { return !isDocumented(s) })},
		{"together", togetherTable(r.Pools)},
	} {
		if page, err = replace(page, t.mark, t.table); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return os.WriteFile(file, []byte(page), 0o644) //nolint:gosec // a page for everybody
}

// isDocumented says whether a day belongs into the first table: the default service.
func isDocumented(s setup) bool {
	return s.Weights == "bf16" && s.Rows == poolsim.DefaultService().Rows && s.Bound == 15*time.Millisecond
}

func replace(page, mark, table string) (string, error) {
	begin, end := "<!-- poolsim: "+mark+" -->\n", "<!-- end: "+mark+" -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, also := strings.Cut(rest, end)
	if !ok || !also {
		return "", fmt.Errorf("no lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + table + end + after, nil
}

// columns of both tables after those of ours.
var columns = []int{poolsim.HPACPU, poolsim.HPAQueue, poolsim.HPACPUBalanced, poolsim.HPAQueueBalanced, poolsim.Fixed, poolsim.FixedBalanced}

func daysTable(all []*comparison, which func(setup) bool) string {
	var b strings.Builder
	b.WriteString("| day, nodes | at least | with foresight | expert load")
	header(&b, columns)
	b.WriteString(" with default targets |\n|---|---|---|---" + strings.Repeat("|---", len(columns)+1) + "|\n")
	for _, c := range all {
		if !which(c.Setup) {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | **%s** (%s) |", c.Setup.short(), hours(c.Least), tuned(c.Ahead), tuned(c.ours()), c.ours().Target)
		against(&b, c.Policies, columns)
		fmt.Fprintf(&b, " %s |\n", tuned(c.Policies[poolsim.Defaults]))
	}
	return b.String()
}

func togetherTable(pools []*together) string {
	var b strings.Builder
	b.WriteString("| nodes | days | expert load")
	header(&b, columns)
	b.WriteString("\n|---|---|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, t := range pools {
		if t.Policies == nil {
			continue
		}
		ours := t.Policies[poolsim.ExpertLoad]
		fmt.Fprintf(&b, "| %s | %d | **%s** (%s) |", t.Pool.short(), len(t.Setups), tuned(ours), ours.Target)
		against(&b, t.Policies, columns)
		b.WriteString("\n")
	}
	return b.String()
}

func header(b *strings.Builder, columns []int) {
	names := map[int]string{poolsim.HPACPU: "HPA, CPU", poolsim.HPAQueue: "HPA, queue", poolsim.HPACPUBalanced: "HPA, CPU + balancer",
		poolsim.HPAQueueBalanced: "HPA, queue + balancer", poolsim.Fixed: "peak, fixed", poolsim.FixedBalanced: "peak, fixed + balancer"}
	for _, i := range columns {
		fmt.Fprintf(b, " | %s", names[i])
	}
	b.WriteString(" |")
}

// against writes what others need, and by how much ours needs less.
func against(b *strings.Builder, policies []*poolsim.Tuned, columns []int) {
	ours := policies[poolsim.ExpertLoad].NodeHours()
	for _, i := range columns {
		p := policies[i]
		by := fmt.Sprintf("%+.0f %%", 100*(ours/p.NodeHours()-1))
		fmt.Fprintf(b, " %s (%s) |", tuned(p), strings.Replace(by, "-", "−", 1))
	}
}

// short is a setup in a table: what is not the default is said.
func (s setup) short() string {
	text := fmt.Sprint(s.Peak)
	if s.Trace != "" {
		text = s.Trace + ", " + text
	}
	if s.Weights != "bf16" {
		text += ", " + s.Weights
	}
	if s.Rows != poolsim.DefaultService().Rows {
		text += fmt.Sprintf(", steps of %d", s.Rows)
	}
	return text
}

// tuned are node-hours, marked where no target keeps the bound.
func tuned(t *poolsim.Tuned) string {
	if t.Kept {
		return hours(t.NodeHours())
	}
	return fmt.Sprintf("%s†", hours(t.NodeHours()))
}

// hours with a comma between thousands.
func hours(h float64) string {
	n := int(h + .5)
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
