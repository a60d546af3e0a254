package main

import (
	"fmt"
	"image/color"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A series is points of one colour in the legend.
type series struct {
	name   string
	points plotter.XYs
}

// The colours of Okabe and Ito, which colour-blind readers tell apart.
var colours = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{120, 120, 120, 255},
}

// looks gives each mode its colour, which it has in every plot.
var looks = []string{"shm", "private", "netrpc-unix", "netrpc-tcp", "jsonrpc-unix", "grpc-unix", "redis", "pyro5"}

// look is the colour of a name: a mode's own, else by its place.
func look(name string, place int) int {
	if i := slices.Index(looks, name); i >= 0 {
		return i
	}
	return place
}

var glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}}

// plots writes every plot that the results have values for.
func plots(r *results, dir string) error {
	spreads := map[string]string{"p50-ns": "median", "p90-ns": "p90", "p99-ns": "p99", "p99.9-ns": "p99.9"}
	for _, p := range []struct{ file, title, prefix, key string }{
		{"roundtrip", "Round trip to another process", "RoundTrip/", "kind"},
		{"handoff", "Hand-off to a blocked process", "Handoff/", "mode"},
	} {
		if err := r.rows(p.prefix, func(name, unit string) (row, dot string) {
			row = part(name, p.key)
			switch part(name, "place") {
			case "same":
				row += ", one processor"
			case "apart":
				row += ", two processors"
			}
			if part(name, "load") != "" {
				row += ", busy"
			}
			return row, spreads[unit]
		}).draw(filepath.Join(dir, p.file+".svg"), p.title, "ns"); err != nil {
			return err
		}
	}
	if err := callBars(r, filepath.Join(dir, "calls.svg")); err != nil {
		return err
	}
	if err := r.rows("Throughput/", func(name, unit string) (row, dot string) {
		if unit != "transfers/s" {
			return "", ""
		}
		return fmt.Sprintf("%s to %[1]s, batch %s", part(name, "producers"), part(name, "batch")), part(name, "kind")
	}).draw(filepath.Join(dir, "throughput.svg"), "Messages through two queues, there and back", "transfers a second"); err != nil {
		return err
	}
	for _, p := range []struct{ file, title, prefix, where, x, by string }{
		{"lookup", "Lookup of a random key", "Lookup/", "", "records", "kind"},
		{"attached", "Put and get, others attached and idle", "Attached/", "", "processes", ""},
		{"growth-lookup", "Lookup, by requests in memory", "Growth/", "op=lookup", "requests", "mode"},
		{"growth-launch", "Launch, by requests in memory", "Growth/", "op=launch", "requests", "mode"},
		{"scale-lookup", "Lookup, by processes attached", "Scale/", "op=lookup", "processes", "mode"},
		{"scale-putget", "Put and get of a tweet, by processes attached", "Scale/", "op=putget", "processes", "mode"},
	} {
		if err := curves(filepath.Join(dir, p.file+".svg"), p.title, p.x, r.curves(p.prefix, p.where, p.x, p.by)); err != nil {
			return err
		}
	}
	return nil
}

// dotRows are the dots of a plot: by their name, and the row that they lie in.
type dotRows struct {
	order []string
	dots  map[string]map[string]float64
}

// rows collects the medians of a benchmark: row name, then dot name.
func (r *results) rows(prefix string, place func(name, unit string) (row, dot string)) (t dotRows) {
	order, dots := []string(nil), map[string]map[string]float64{}
	for _, name := range r.names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, unit := range slices.Sorted(maps.Keys(r.values[name])) {
			row, dot := place(name, unit)
			if row == "" || dot == "" {
				continue
			}
			if !slices.Contains(order, row) {
				order = append(order, row)
			}
			if dots[dot] == nil {
				dots[dot] = map[string]float64{}
			}
			dots[dot][row] = median(r.sample(name, unit))
		}
	}
	return dotRows{order, dots}
}

// draw makes a line for each row and a dot for each value, on a log axis.
func (t dotRows) draw(file, title, unit string) error {
	order, dots := t.order, t.dots
	if len(order) == 0 {
		return nil
	}
	var all []series
	for _, dot := range slices.SortedFunc(maps.Keys(dots), func(a, b string) int {
		return int(math.Copysign(1, mean(dots[a])-mean(dots[b])))
	}) {
		s := series{name: dot}
		for i, row := range order {
			if v, ok := dots[dot][row]; ok && v > 0 {
				s.points = append(s.points, plotter.XY{X: v, Y: float64(len(order) - 1 - i)})
			}
		}
		all = append(all, s)
	}
	p := newPlot(title, unit)
	nominalRows(p, order)
	return scatter(p, file, all, false, vg.Length(len(order))*0.9*vg.Centimeter+5*vg.Centimeter)
}

func mean(m map[string]float64) (v float64) {
	for _, x := range m {
		v += math.Log(x) / float64(len(m))
	}
	return v
}

// curves collects the median times of a benchmark over the number named x.
func (r *results) curves(prefix, where, x, by string) (all []series) {
	for _, name := range r.names {
		if !strings.HasPrefix(name, prefix) || !strings.Contains(name, where) {
			continue
		}
		at, err := strconv.ParseFloat(part(name, x), 64)
		v := r.sample(name, "ns/op")
		if err != nil || len(v) == 0 {
			continue
		}
		label := "ring"
		if by != "" {
			label = part(name, by)
		}
		i := slices.IndexFunc(all, func(s series) bool { return s.name == label })
		if i < 0 {
			i, all = len(all), append(all, series{name: label})
		}
		all[i].points = append(all[i].points, plotter.XY{X: at, Y: median(v)})
	}
	return all
}

func curves(file, title, x string, all []series) error {
	p := newPlot(title, x)
	p.Y.Label.Text = "time"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{"ns"}
	return scatter(p, file, all, true, 10*vg.Centimeter)
}

func newPlot(title, unit string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	if p.X.Label.Text = unit; unit == "ns" {
		p.X.Label.Text = "" // its labels say it
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{unit}
	p.Legend.Top, p.Legend.Left = true, false
	p.Legend.YOffs, p.Legend.Padding = -0.2*vg.Centimeter, 2
	p.Add(plotter.NewGrid())
	return p
}

// scatter draws the series and writes the file; without values it writes nothing.
func scatter(p *plot.Plot, file string, all []series, lines bool, height vg.Length) error {
	n := 0
	for i, s := range all {
		if len(s.points) == 0 {
			continue
		}
		n += len(s.points)
		dots, err := plotter.NewScatter(s.points)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		i = look(s.name, i)
		dots.Color, dots.Shape, dots.Radius = colours[i%len(colours)], glyphs[i%len(glyphs)], 3.5
		p.Add(dots)
		if lines {
			line, err := plotter.NewLine(s.points)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			line.Color, line.Width = dots.Color, 1.2
			p.Add(line)
		}
		p.Legend.Add(roomy(s.name), dots)
	}
	if n == 0 {
		return nil
	}
	return save(p, file, lines, height)
}

// save rounds the axes to powers of ten and writes the file.
func save(p *plot.Plot, file string, lines bool, height vg.Length) error {
	low, high := &p.X.Min, &p.X.Max
	*low, *high = decade(*low, false), decade(*high, true)
	if lines {
		p.Y.Min, p.Y.Max = decade(p.Y.Min, false), decade(p.Y.Max, true)
	} else {
		p.Y.Min, p.Y.Max = -0.5, p.Y.Max+0.5
	}
	*high *= 12 // room for the legend
	return p.Save(22*vg.Centimeter, height, file)
}

// decades are the marks of a log axis: a label for each power of ten but the last,
// which would be cut off; on a short axis for twice and five times of it, too.
type decades struct{ unit string }

func (d decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for v := decade(low, false); v <= high*1.0001; v *= 10 {
		ticks = append(ticks, plot.Tick{Value: v})
		if v*10 <= high*1.0001 {
			ticks[len(ticks)-1].Label = d.label(v)
			if high/low < 101 {
				ticks = append(ticks, plot.Tick{Value: 2 * v, Label: d.label(2 * v)}, plot.Tick{Value: 5 * v, Label: d.label(5 * v)})
			}
		}
	}
	return ticks
}

func (d decades) label(v float64) string {
	names := []string{"", " k", " M", " G"}
	if d.unit == "ns" {
		names = []string{" ns", " µs", " ms", " s"}
	}
	i := min(max(int(math.Floor(math.Log10(v*1.0001)))/3, 0), len(names)-1)
	return strconv.FormatFloat(v/math.Pow(1000, float64(i)), 'g', 4, 64) + names[i]
}

// decade is the power of ten at or below v, or at or above it.
func decade(v float64, up bool) float64 {
	e := math.Floor(math.Log10(v))
	if up {
		e = math.Ceil(math.Log10(v))
	}
	return math.Pow(10, e)
}
