package main

import (
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// callModes are the modes with a server, in the order of their bars.
var callModes = []string{"redis", "netrpc-unix", "netrpc-tcp", "jsonrpc-unix", "grpc-unix", "pyro5"}

// barSet is a mode's bars, one for each operation it was measured in.
type barSet struct {
	color  color.Color
	rows   []float64 // where their group lies
	ends   []float64
	offset vg.Length // in the group
}

const barWidth = 0.2 * vg.Centimeter

// Plot draws from 1, which is shared memory's own time: on a log axis a bar that
// is twice as long is a square, and one to the left of 1 is a loss.
func (b *barSet) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.SetColor(b.color)
	for i, end := range b.ends {
		from, to := x(1), x(end)
		at := y(b.rows[i]) + b.offset
		c.Fill(vg.Rectangle{
			Min: vg.Point{X: min(from, to), Y: at - 0.45*barWidth},
			Max: vg.Point{X: max(from, to), Y: at + 0.45*barWidth},
		}.Path())
	}
}

func (b *barSet) DataRange() (xmin, xmax, ymin, ymax float64) {
	return min(1, slices.Min(b.ends)), max(1, slices.Max(b.ends)), slices.Min(b.rows), slices.Max(b.rows)
}

func (b *barSet) Thumbnail(c *draw.Canvas) {
	c.SetColor(b.color)
	c.Fill(draw.Crop(*c, 0, 0, 2, -2).Rectangle.Path())
}

// callBars is the operations of every mode with a server, in times of shared memory's.
func callBars(r *results, file string) error {
	var ops []string
	for _, name := range r.names {
		if op := part(name, "op"); strings.HasPrefix(name, "Call/") && !slices.Contains(ops, op) {
			ops = append(ops, op)
		}
	}
	p := newPlot("Calls to a server: how many times as long as with shared memory", "times")
	drawn := 0
	for i, mode := range callModes {
		b := &barSet{color: colours[look(mode, 0)], offset: barWidth * (vg.Length(len(callModes)-1)/2 - vg.Length(i))}
		for j, op := range ops {
			if v := r.ratio("Call/op="+op+"/mode="+mode, "Call/op="+op+"/mode=shm", "ns/op"); len(v) > 0 {
				b.rows, b.ends = append(b.rows, float64(len(ops)-1-j)), append(b.ends, median(v))
			}
		}
		if len(b.ends) > 0 {
			p.Add(b)
			p.Legend.Add(roomy(mode), b)
			drawn++
		}
	}
	if drawn == 0 {
		return nil
	}
	nominalRows(p, ops)
	return save(p, file, false, vg.Length(len(ops))*vg.Length(len(callModes)+2)*barWidth+3*vg.Centimeter)
}

// roomy has room behind a label: a browser may have a wider font than the one that
// the plot was made with.
func roomy(label string) string { return label + strings.Repeat("\u00a0", 3+len(label)/4) }

// nominalRows names the rows, the first at the top.
func nominalRows(p *plot.Plot, rows []string) {
	names := slices.Clone(rows)
	slices.Reverse(names)
	for i, name := range names {
		names[i] = roomy("\u00a0\u00a0" + name)
	}
	p.NominalY(names...)
}
