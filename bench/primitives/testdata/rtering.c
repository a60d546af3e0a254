// rtering PAIRS BATCH MESSAGES: PAIRS processes take messages from one rte_ring
// and put them into another, PAIRS processes take them back, 256 on their way.
// Prints how long a message took there and back, in ns: the mean of MESSAGES, and
// the median of every thousand.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <rte_ring.h>

enum { SLOTS = 1024, WINDOW = 256, MOST = 32, SLICE = 1000 };

struct count {
	_Alignas(128) atomic_long n;
};

static int pairs, batch, yields;

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static struct rte_ring *ring(const char *name)
{
	struct rte_ring *r = shared(rte_ring_get_memsize(SLOTS));
	if (rte_ring_init(r, name, SLOTS, 0) != 0) // 0: many producers, many consumers
		exit(1);
	return r;
}

static unsigned shuttle(struct rte_ring *from, struct rte_ring *to)
{
	void *o[MOST];
	unsigned n;
	if (batch == 1)
		n = rte_ring_mc_dequeue(from, o) == 0;
	else
		n = rte_ring_mc_dequeue_burst(from, o, batch, NULL);
	if (n == 0) {
		if (yields)
			sched_yield();
		else
			rte_pause();
		return 0;
	}
	if (batch == 1)
		while (rte_ring_mp_enqueue(to, o[0]) != 0)
			;
	else
		while (rte_ring_mp_enqueue_bulk(to, o, n, NULL) == 0)
			;
	return n;
}

static void pin(int cpu)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(cpu, &s);
	if (!yields)
		sched_setaffinity(0, sizeof s, &s);
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
	if (argc != 4)
		return 2;
	pairs = atoi(argv[1]), batch = atoi(argv[2]);
	long messages = atol(argv[3]);
	if (pairs < 1 || pairs > 8 || batch < 1 || batch > MOST)
		return 2;
	yields = 2 * pairs > sysconf(_SC_NPROCESSORS_ONLN);
	struct rte_ring *there = ring("there"), *back = ring("back");
	struct count *counts = shared(8 * sizeof *counts);
	pid_t children[16];
	int born = 0;
	for (int i = 1; i < 2 * pairs; i++) {
		pid_t p = fork();
		if (p == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pin(1);
			if (i < pairs)
				for (;;)
					atomic_fetch_add_explicit(&counts[i].n, shuttle(back, there), memory_order_relaxed);
			for (;;)
				shuttle(there, back);
		}
		children[born++] = p;
	}
	pin(0);
	for (long i = 1; i <= WINDOW; i++)
		rte_ring_enqueue(there, (void *)i);
	long mine = 0, others = 0;
	long first = 0, seen = 0, slices = 0;
	double start = 0, last = 0, *each = malloc((messages / SLICE + 2) * sizeof *each);
	while (start == 0 || seen - first < messages) {
		mine += shuttle(back, there);
		if (pairs > 1 && mine % 64 == 0) {
			others = 0;
			for (int i = 1; i < pairs; i++)
				others += atomic_load(&counts[i].n);
		}
		long total = mine + others;
		if (start == 0) {
			if (total >= WINDOW) // all are at work
				start = last = now(), first = seen = total;
		} else if (total - seen >= SLICE) {
			double t = now();
			each[slices++] = (t - last) / (total - seen);
			last = t, seen = total;
		}
	}
	double mean = (last - start) / (seen - first);
	for (int i = 0; i < born; i++)
		kill(children[i], SIGKILL);
	qsort(each, slices, sizeof *each, by_value);
	printf("%f %f\n", mean, each[slices / 2]);
	return 0;
}
