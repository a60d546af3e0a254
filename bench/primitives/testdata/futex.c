// futex TRIPS SAMPLES CPU CPU: two processes hand a word to and fro, each asleep in
// FUTEX_WAIT until the other one calls FUTEX_WAKE, each on its processor (-1: any).
// Prints the mean of TRIPS round trips in ns, then percentiles 50, 90, 99 and 99.9
// of SAMPLES single ones.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct lane {
	_Alignas(128) atomic_uint there;
	_Alignas(128) atomic_uint back;
};

static void wait_while(atomic_uint *w, unsigned v)
{
	while (atomic_load(w) == v)
		syscall(SYS_futex, w, FUTEX_WAIT, v, NULL, NULL, 0);
}

static void set(atomic_uint *w, unsigned v)
{
	atomic_store(w, v);
	syscall(SYS_futex, w, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void pin(int cpu)
{
	cpu_set_t one;
	if (cpu < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	long trips = atol(argv[1]), samples = atol(argv[2]);
	struct lane *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return 1;
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(atoi(argv[4]));
		for (unsigned n = 0;; n++) {
			wait_while(&l->there, n);
			set(&l->back, n + 1);
		}
	}
	pin(atoi(argv[3]));
	unsigned n = 0;
#define TRIP() (set(&l->there, n + 1), wait_while(&l->back, n), n++)
	for (int i = 0; i < 100; i++)
		TRIP();
	double start = now();
	for (long i = 0; i < trips; i++)
		TRIP();
	double mean = (now() - start) / trips;
	double *took = malloc(samples * sizeof *took);
	double last = now();
	for (long i = 0; i < samples; i++) {
		TRIP();
		double t = now();
		took[i] = t - last;
		last = t;
	}
	kill(child, SIGKILL);
	qsort(took, samples, sizeof *took, by_value);
	printf("%f %f %f %f %f\n", mean, took[samples / 2], took[samples * 90 / 100],
	       took[samples * 99 / 100], took[samples * 999 / 1000]);
	return 0;
}
