// Command gen writes the vector kernels as Go assembly. It is run by `go generate`
// in the parent directory, once per family of kernels; its output is committed.
// It is a module of its own so that programs that use the kernels do not depend
// on avo.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

var families = map[string]func(){
	"dot":          dotFamily,
	"tile":         tileFamily,
	"tile512":      tile512Family,
	"vector":       vectorFamily,
	"exp":          expFamily,
	"widen":        widenFamily,
	"limits":       limitsFamily,
	"int8":         int8Family,
	"vnni":         vnniFamily,
	"attention":    attentionFamily,
	"attention512": attention512Family,
}

func main() {
	family := flag.String("family", "", "which kernels to write")
	flag.Parse()
	emit := families[*family]
	if emit == nil {
		log.Fatalf("no family %q", *family)
	}
	ConstraintExpr("amd64")
	emit()
	Generate()
}
