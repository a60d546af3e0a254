package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"

	"github.com/aotf/sharedmem/shm"
)

type job struct{ Number uint64 }

type app struct {
	jobs shm.Arena[job]
	todo shm.Ring[job]
}

func (a *app) Define(l *shm.Layout) {
	a.jobs.Define(l, "jobs", 100)
	a.todo.Define(l, "todo", &a.jobs)
}

func main() {
	var a app
	if len(os.Args) > 1 { // the child
		s := must(shm.Attach("first", &a, nil))
		c := must(a.todo.Get(context.Background())) // waits for a job and claims it
		fmt.Println("the child got job", c.Record().Number)
		check(c.Free())
		check(s.Close())
		return
	}
	s := must(shm.Create("first", &a, nil))
	c := must(a.jobs.TryNew()) // the right to write one record
	c.Record().Number = 42
	check(a.todo.TryPut(c)) // by one CAS the record is the queue's
	fmt.Printf("%s", must(exec.Command(os.Args[0], "child").Output()))
	check(s.Remove())
}

func must[T any](v T, err error) T { check(err); return v }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
