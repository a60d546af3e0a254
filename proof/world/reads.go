package world

var readActs = []act{
	{name: "load", ready: func(w *World) func(func(string)) {
		r := named(w, "s")
		return func(func(string)) {
			var j Job
			_, err := w.Named.Load(r, &j)
			Check(err)
			_, err = w.Data.Append(nil, j.Data)
			Check(err)
			w.Count.Sum()
			w.Todo.Len()
			w.Slots.Free()
		}
	}},
}
