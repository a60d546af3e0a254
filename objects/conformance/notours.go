package conformance

// NotOurs says of the defects of the contract's section 4 that have no scenario
// why they have none.
var NotOurs = map[int]string{
	3:  "the interfaces offer no lock that a client could hold, release twice or die with; a store's own locks are its own tests' business",
	15: "how long a lookup takes is for benchmarks to show; a scenario with a time limit would fail on a slow machine",
	43: "END writes no file: its caller logs; that only one caller is told of END is defect 7",
	50: "who may open a store is the store's business, and no actor of a scenario is another user",
	51: "the application computes the date; that it comes back as the same instant is in rule-3.1/whole-way",
}

// Names are the names of all scenarios.
func Names() (names []string) {
	for _, sc := range scenarios() {
		names = append(names, sc.name)
	}
	return names
}

// Ran is how many scenarios have run on stores of a kind.
func Ran(k Kind) int { return ran[k] }
