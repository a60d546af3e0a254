/* Waiting: event.go (announce, Wait, Signal, ring, turnstile), semaphore.go (Mutex), sweep.go.
 *
 * One mutex and its event. Goroutines 1 and 2 are of process 1 and share its turnstile, 3 is
 * process 2; process 3 sweeps after each death. Each goroutine locks and unlocks OPS times; CANCELS
 * of them may give up where they wait. With BYSTANDER somebody waits on the same event for something
 * else, in place of goroutine 2. CRASHES processes die, before any step. The word of the event
 * is {sequence, bit 0}. The in-process crowd of sleepers is left out: each sleeps in the kernel.
 *
 * When nothing moves any more, the mutex is free and everybody has had it. Only if the sweeper
 * died too may somebody still sleep: for one slice.
 */
#ifndef OPS
#define OPS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CANCELS
#define CANCELS 1
#endif
#define SWEEPER 3
#define PROC(g) ((g)<=2 -> 1 : 2)
#define CELL(died,own) ((died)*4+(own))
#define OWN(c) ((c)&3)
#define ANNOUNCED(v) ((v)&1)
#define BUMPED(v) (((v)/2+1)*2)

byte E;                             /* the event's word */
byte cell;                          /* the mutex */
bit asleep[5];                      /* by goroutine; 4 is the bystander */
bit turn[3];                        /* by process: somebody waits */
bit dead[4], fin[4];
byte holder;                        /* ghost */
bit dirty;                          /* ghost: the last holder died inside */
byte crashes, cancels;
bit calm;                           /* no more of them: then a timeout means that nothing moves */

#define CLEAN c=0; v=0; st=0; mine=0
#define FIRST 0                     /* which look: before the turnstile, */
#define TURN 1                      /* when it is our turn, */
#define SECOND 2                    /* after announcing */
#ifdef M_WAKEONE
#define WAKE if :: asleep[1] -> asleep[1]=0 :: asleep[2] -> asleep[2]=0 :: asleep[3] -> asleep[3]=0 :: asleep[4] -> asleep[4]=0 :: else fi
#else
#define WAKE asleep[1]=0; asleep[2]=0; asleep[3]=0; asleep[4]=0
#endif

proctype Goroutine(byte g) {
  byte n, c, v, st; bit mine;
  { skip;
next:
    atomic { CLEAN; if :: n<OPS -> n++ :: else -> n=0; fin[g]=1; goto out fi };
look:
    atomic { c=cell; if :: OWN(c)!=0 -> c=0; goto not :: else fi };                          /* sem.look */
    atomic { if :: cell==c -> assert(holder==0);
                           assert(((c>>2)&1)==dirty);       /* the next holder is told */
                           c=CELL((c>>2)&1,PROC(g)); cell=c; holder=g; goto got              /* sem.take */
                :: else -> c=0 fi };
not:
    atomic { if :: st==FIRST -> goto wait
                :: st==TURN -> goto announce
                :: else -> goto sleep fi };
wait:                               /* turnstile */
    atomic { if :: turn[PROC(g)]==0 -> turn[PROC(g)]=1; mine=1; st=TURN; goto look
                :: cancels<CANCELS && !calm -> cancels++; goto next fi };
announce:
#ifdef M_LATEANNOUNCE
    atomic { v=E; st=SECOND; c=cell; if :: OWN(c)==0 -> c=0; goto look :: else -> c=0 fi };
    atomic { if :: ANNOUNCED(E) -> v=E :: else -> E=E+1; v=E fi; goto sleep };
#endif
    atomic { v=E; if :: ANNOUNCED(v) -> goto second :: else fi };                            /* event.read */
    atomic { if :: E==v -> v=v+1; E=v :: else -> goto announce fi };                         /* event.announce */
second:
#ifdef M_NOSECOND
    goto sleep;
#endif
    atomic { st=SECOND; goto look };
sleep:
    atomic { if :: E==v -> asleep[g]=1 :: else -> v=0; st=TURN; goto look fi; v=0 };         /* futex.read, in the kernel */
    atomic { if :: !asleep[g] -> st=TURN; goto look         /* before announcing again */
                :: cancels<CANCELS && !calm -> cancels++ fi };
cancel:                             /* futexSleeper.cancel, by the context or by Close */
    atomic { v=E; if :: !ANNOUNCED(v) -> goto cancelled :: else fi };                        /* event.read */
    atomic { if :: E==v -> E=BUMPED(v) :: else -> goto cancel fi; v=0 };                     /* event.bump */
#ifndef M_CANCELQUIET
    atomic { WAKE };                                                                         /* futex.wake */
#endif
cancelled:
    atomic { !asleep[g] -> v=0 };   /* or who has bumped wakes it */
#ifdef M_KEEPTURN
    goto next;
#endif
    atomic { turn[PROC(g)]=0; goto next };                  /* not served: passes the turn on */
got:
    atomic { if :: mine -> turn[PROC(g)]=0; mine=0 :: else fi; v=0; st=0 };
#ifdef M_SIGNALFIRST
    goto signal;
#endif
unlock:
    atomic { assert(cell==c && holder==g); cell=0; holder=0; dirty=0; c=0 };                 /* sem.give */
#ifdef M_SIGNALFIRST
    goto next;
#endif
signal:
    atomic { if :: !ANNOUNCED(E) -> goto signalled :: else fi };                             /* event.read */
bump:
    atomic { v=E; if :: !ANNOUNCED(v) -> goto signalled :: else fi };                        /* event.read */
#ifdef M_NOBUMP
    atomic { if :: E==v -> E=v-1 :: else -> goto bump fi; v=0 };
#else
    atomic { if :: E==v -> E=BUMPED(v) :: else -> goto bump fi; v=0 };                       /* event.bump */
#endif
    atomic { WAKE };                                                                         /* futex.wake */
signalled:
#ifdef M_SIGNALFIRST
    goto unlock;
#endif
    goto next
  } unless { atomic { dead[PROC(g)] -> CLEAN; n=0; asleep[g]=0 } };
out: skip
}
#ifdef BYSTANDER
active proctype Bystander() {
  byte v;
  do
  :: atomic { v=E };                                                                         /* event.read */
     atomic { if :: ANNOUNCED(v) :: !ANNOUNCED(v) && E==v -> v=v+1; E=v :: else -> v=0 fi }; /* event.announce */
     atomic { if :: v!=0 && E==v -> asleep[4]=1 :: else fi; v=0 };                           /* futex.read */
endb: !asleep[4]
  od
}
#endif
active proctype Sweeper() {
  byte n, c, v;
  { skip;
ends: atomic { n<crashes -> n=crashes };
    atomic { c=cell; if :: OWN(c)==0 || !dead[OWN(c)] -> goto ring :: else fi };             /* sem.sweep, owner.gone */
    atomic { if :: cell==c -> assert(dead[PROC(holder)]); holder=0;
#ifdef M_FORGET
                           cell=CELL(0,0)
#else
                           cell=CELL(1,0)                                                    /* sem.sweep */
#endif
                :: else fi };
ring:
#ifdef M_NORING
    atomic { c=0; goto ends };
#endif
    atomic { c=0; v=E };                                                                     /* event.read */
    atomic { if :: E==v -> E=BUMPED(v) :: else -> goto ring fi; v=0 };                       /* event.bump */
    atomic { asleep[1]=0; asleep[2]=0; asleep[3]=0; asleep[4]=0; goto ends }                              /* futex.wake */
  } unless { atomic { dead[SWEEPER] -> n=0; c=0; v=0 } };
}
#define DONE(g) (fin[g] || dead[PROC(g)])
#define ALLDONE (DONE(1) && DONE(2) && DONE(3))
active proctype auditor() {
enda: atomic { timeout;
    if :: ALLDONE -> goto fine :: else -> assert(dead[SWEEPER] && crashes>1) fi;
    /* one slice later: each living process looks for the dead, and its sleepers look */
    if :: OWN(cell)!=0 && dead[OWN(cell)] -> cell=CELL(1,0); holder=0 :: else fi;
    E=BUMPED(E); asleep[1]=0; asleep[2]=0; asleep[3]=0; asleep[4]=0 };
    atomic { timeout -> assert(ALLDONE) };
fine: atomic { assert(OWN(cell)==0 || dead[OWN(cell)] && dead[SWEEPER]) }
}
inline kill(p) { dead[p]=1; crashes++; if :: holder!=0 && p!=SWEEPER && PROC(holder)==p -> dirty=1 :: else fi }
active proctype killer() {
endk: do
  :: atomic { crashes<CRASHES && !dead[1] && !(fin[1] && fin[2]) -> kill(1) }
  :: atomic { crashes<CRASHES && !dead[2] && !fin[3] -> kill(2) }
  :: atomic { crashes<CRASHES && !dead[SWEEPER] -> kill(SWEEPER) }
  :: atomic { calm=1; break }
  od
}
init { atomic { run Goroutine(1); run Goroutine(3);
#ifdef BYSTANDER
  fin[2]=1
#else
  run Goroutine(2)
#endif
  } }
