package gallery

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
)

// paint draws a picture of 160 to 240 pixels a side: a few bold shapes on a
// gradient. The perceptual hash sees only the coarse structure, so that is
// what varies: the shapes are large and lie anywhere.
func paint(rng *rand.Rand) *image.RGBA {
	w, h := 160+rng.IntN(81), 160+rng.IntN(81)
	scale := float64(min(w, h))
	hue := rng.Float64()
	ground := newGradient(rng, hue)
	shapes := make([]shape, 9+rng.IntN(6))
	for i := range shapes {
		shapes[i] = newShape(rng, hue, float64(w)/scale, float64(h)/scale)
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for py := range h {
		for px := range w {
			x, y := float64(px)/scale, float64(py)/scale
			c := ground.at(x, y)
			for i := range shapes {
				if shapes[i].misses(x, y) {
					continue
				}
				// Half a pixel either side of the edge, blended: smooth edges.
				cover := min(1, max(0, 0.5-shapes[i].distance(x, y)*scale))
				if cover > 0 {
					c = c.mix(shapes[i].paint, cover*shapes[i].opacity)
				}
			}
			img.SetRGBA(px, py, color.RGBA{R: channel(c.r), G: channel(c.g), B: channel(c.b), A: 255})
		}
	}
	return img
}

// encode returns the picture as a file and the file name's ending.
func encode(img image.Image, rng *rand.Rand) ([]byte, string, error) {
	var b bytes.Buffer
	if rng.IntN(3) == 0 {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		err := encoder.Encode(&b, img)
		return b.Bytes(), ".png", err
	}
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80 + rng.IntN(15)})
	return b.Bytes(), ".jpg", err
}

// shape is an area of one colour. Lengths are in units of the picture's
// shorter side.
type shape struct {
	distance func(x, y float64) float64 // to the edge, negative inside
	x, y     float64                    // its middle
	reach    float64                    // it lies within this far of its middle along either axis
	paint    rgb
	opacity  float64
}

// misses spares most points the costly measuring of the distance.
func (s *shape) misses(x, y float64) bool {
	return math.Abs(x-s.x) > s.reach || math.Abs(y-s.y) > s.reach
}

func length(x, y float64) float64 { return math.Sqrt(x*x + y*y) }

func newShape(rng *rand.Rand, hue, w, h float64) shape {
	between := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	x0, y0 := between(-0.1, w+0.1), between(-0.1, h+0.1)
	sin, cos := math.Sincos(between(0, 2*math.Pi))
	// turned gives the point as the shape sees it, lying at x0, y0 and rotated.
	turned := func(x, y float64) (float64, float64) {
		return (x-x0)*cos + (y-y0)*sin, (y-y0)*cos - (x-x0)*sin
	}
	a, b := between(0.08, 0.4), between(0.05, 0.25)
	s := shape{x: x0, y: y0, paint: newColour(rng, hue), opacity: between(0.7, 1)}
	s.reach = 1.25*(a+b) + 0.02 // covers each of the shapes below, but for the wave
	switch rng.IntN(6) {
	case 0: // ellipse, by an approximation good enough near the edge
		s.distance = func(x, y float64) float64 {
			u, v := turned(x, y)
			return (length(u/a, v/b) - 1) * min(a, b)
		}
	case 1: // rectangle with rounded corners
		r := b / 3
		s.distance = func(x, y float64) float64 {
			u, v := turned(x, y)
			u, v = math.Abs(u)-a+r, math.Abs(v)-b+r
			return length(max(u, 0), max(v, 0)) + min(0, max(u, v)) - r
		}
	case 2: // ring
		s.distance = func(x, y float64) float64 {
			return math.Abs(length(x-x0, y-y0)-a) - b/3
		}
	case 3: // wave across the picture
		s.reach = math.Inf(1)
		waves, phase := between(3, 12), between(0, 2*math.Pi)
		s.distance = func(x, y float64) float64 {
			u, v := turned(x, y)
			return math.Abs(v-b*math.Sin(waves*u+phase))*0.6 - b/4
		}
	case 4: // petals
		petals, depth := float64(3+rng.IntN(4)), between(0.2, 0.5)
		s.distance = func(x, y float64) float64 {
			u, v := turned(x, y)
			return (length(u, v) - a*(1-depth+depth*math.Cos(petals*math.Atan2(v, u)))) * 0.6
		}
	default: // triangle
		s.distance = func(x, y float64) float64 {
			u, v := turned(x, y)
			return max(-v-b, math.Abs(u)*0.8+v*0.6-a*0.6)
		}
	}
	return s
}

type gradient struct {
	from, to   rgb
	x, y       float64 // centre of a round gradient, or the direction of a straight one
	stretch    float64
	isStraight bool
}

func newGradient(rng *rand.Rand, hue float64) gradient {
	return gradient{
		from: newColour(rng, hue), to: newColour(rng, hue),
		x: rng.Float64(), y: rng.Float64(),
		stretch:    0.6 + rng.Float64(),
		isStraight: rng.IntN(2) == 0,
	}
}

func (g gradient) at(x, y float64) rgb {
	t := length(x-g.x, y-g.y)
	if g.isStraight {
		t = math.Abs((x-0.5)*(g.x-0.5)+(y-0.5)*(g.y-0.5))*2 + 0.25
	}
	return g.from.mix(g.to, min(1, t*g.stretch))
}

// rgb is a colour with channels of 0 to 1.
type rgb struct{ r, g, b float64 }

func (c rgb) mix(d rgb, share float64) rgb {
	return rgb{c.r + (d.r-c.r)*share, c.g + (d.g-c.g)*share, c.b + (d.b-c.b)*share}
}

func channel(v float64) uint8 { return uint8(v*255 + 0.5) }

// newColour picks a colour near one of two hues, so that a picture has a
// palette, and of any lightness, which is what the hash sees.
func newColour(rng *rand.Rand, hue float64) rgb {
	if rng.IntN(3) == 0 {
		hue += 0.45
	}
	hue += 0.12 * (rng.Float64() - 0.5)
	light := 0.08 + 0.84*rng.Float64()
	rich := (0.3 + 0.6*rng.Float64()) * min(light, 1-light)
	wheel := func(shift float64) float64 { return light + rich*math.Cos(2*math.Pi*(hue+shift)) }
	return rgb{wheel(0), wheel(1.0 / 3), wheel(2.0 / 3)}
}
