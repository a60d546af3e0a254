// Package instr kills operations after every machine instruction.
//
// A child runs one operation; the test traces it with ptrace, lets it retire k
// instructions, kills it with SIGKILL, attaches to its segment, sweeps and audits,
// for k = 1 to the last. The child is the normal build: no tag, no hook.
//
// go test runs a sample: PROOF_SEED=N repeats one. PROOF_FULL=1 with -timeout 0
// kills at every instruction of every operation.
//
// What is done for the instructions to be the same each time, and what is not:
//
//   - Every child works on a copy of one staged segment, and runs the operation
//     on another copy first, so that nothing is done for the first time.
//   - One P, no garbage collection, no preemption by signal. The other threads of
//     the child are stopped in the operation. A launch that sleeps or waits for
//     another goroutine of its process cannot be run so, and is left out.
//   - The seed of Go's maps is another one in each process, and a step through
//     the kernel's clock page meets its updates. So a death is ordered as
//     "before this instruction of a recorded run", and a child that is found at
//     another address was killed and audited all the same, and is repeated.
//
// On amd64 a debug register lets the child run at full speed to any instruction
// that it does not meet on the way; the rest is stepped. An instruction with a repeat prefix counts once for
// each repetition. On arm64 all instructions are stepped; that needs a processor
// with atomic instructions (LSE), because a pair of exclusive load and store never
// succeeds when it is stepped through.
package instr
