// Package instr kills operations after every machine instruction.
//
// A child runs one operation; the test traces it with ptrace, lets it retire k
// instructions, kills it with SIGKILL, attaches to its segment, sweeps and audits,
// for k = 1 to the last. The child is the normal build: no tag, no hook.
//
// go test runs a sample: PROOF_SEED=N repeats one, PROOF_SAMPLE=N takes N instructions
// of each operation. PROOF_FULL=1 with -timeout 0 kills at every instruction of every
// operation.
//
// What is done for the instructions to be the same each time, and what is not:
//
//   - Every child works on a copy of one staged segment, and runs the operation
//     on another copy first, so that nothing is done for the first time.
//   - One P, no garbage collection, no preemption by signal. The other threads of
//     the child are stopped during the operation. An operation that sleeps or
//     waits for another goroutine of its process cannot be run so; it is left out.
//   - An operation says first what it is about to do. Kills begin with its first
//     instruction of shm or objects.
//   - Go's maps have another seed in each process, the allocator finds its next
//     free place at once or not, and who steps through the kernel's clock page
//     meets its updates. So a death is ordered as "before this instruction of a
//     recorded run". A child that is found before another one is killed and
//     audited all the same, and another child is sent.
//
// On amd64 a debug register lets the child run at full speed to any instruction
// that it does not meet on the way; the rest is stepped. An instruction with a
// repeat prefix counts once for each repetition, a system call once. On arm64 all
// instructions are stepped; that needs a processor with atomic instructions (LSE),
// because a pair of exclusive load and store never succeeds when it is stepped
// through.
package instr
