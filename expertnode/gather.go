package expertnode

import (
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// plan lays the groups out one after another.
func (b *batch) plan(held *holding, pairs int) {
	b.groups, b.work.Groups = b.groups[:0], b.work.Groups[:0]
	b.out = resize(b.out, pairs*b.hidden)
	if b.rows == wire.Packed {
		b.packed = resize(b.packed, pairs*b.rows.Bytes(b.hidden))
	} else {
		b.x = resize(b.x, pairs*b.hidden)
	}
	at := 0
	for _, i := range b.used {
		c := &b.cells[i]
		rows := int(c.count)
		g := model.ExpertGroup{Expert: held.experts[i], Out: rowsOf(b.out, b.hidden, at, rows), Rows: rows}
		if b.rows == wire.Packed {
			g.Packed = rowsOf(b.packed, b.rows.Bytes(b.hidden), at, rows)
		} else {
			g.X = rowsOf(b.x, b.hidden, at, rows)
		}
		b.groups = append(b.groups, g)
		b.work.Groups = append(b.work.Groups, load.Group{Layer: i / b.perLayer, Expert: i % b.perLayer, Rows: rows, Queue: c.queued})
		c.count, c.queued = int32(at), 0
		at += rows
	}
}

// gather copies each row from its frame to every group that needs it.
func (b *batch) gather() {
	for _, j := range b.jobs {
		j.places = resize(j.places, len(j.experts))
		if b.rows == wire.Packed {
			spread(b, j, b.packed, b.rows.Bytes(b.hidden), (*wire.In).Bytes)
		} else {
			spread(b, j, b.x, b.hidden, (*wire.In).Floats)
		}
	}
	for _, i := range b.used {
		b.cells[i].count = 0
	}
}

// spread reads a request's rows into x, whose rows have width elements.
func spread[T any](b *batch, j *job, x []T, width int, read func(*wire.In, []T)) {
	pair := 0
	for _, count := range j.counts {
		var row []T
		for range count {
			c := &b.cells[j.in.Layer*b.perLayer+int(j.experts[pair])]
			dst := rowsOf(x, width, int(c.count), 1)
			if row == nil {
				read(j.in, dst)
				row = dst
			} else {
				copy(dst, row)
			}
			j.places[pair] = c.count
			c.count++
			pair++
		}
	}
}

// rowsOf is n rows of m from row i on.
func rowsOf[T any](m []T, width, i, n int) []T { return m[i*width : (i+n)*width] }
