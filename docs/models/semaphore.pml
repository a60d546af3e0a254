/* Permits and their owners: semaphore.go. Waiting for one is in event.pml.
 *
 * K cells {died, owner, sequence}. Holders 1 and 2 are goroutines of process 1, holder 3 is
 * process 2, and holder 4 is process 3, which joins the slot of process 2 once that is dead: owner
 * 3 is that slot in its next generation. A holder may release twice. Two sweepers work at once, and
 * one of them (process 4) may die. PAIR leaves out holder 4 and that sweeper, JOIN holder 2.
 */
#ifndef K
#define K 1
#endif
#ifndef OPS
#define OPS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#define CELL(died,own,seq) ((seq)*8+(died)*4+(own))
#define OWNER(v) ((v)&3)
#define DIED(v) (((v)>>2)&1)
#define SEQ(v) ((v)>>3)
#define PROC(me) ((me)<=2 -> 1 : (me)-1)
#ifdef M_ROB
#define LIVES(o) 0
#else
#ifdef M_NOGEN
#define LIVES(o) ((o)==2 && joined && !dead[3] || !dead[o])
#else
#define LIVES(o) (!dead[o])
#endif
#endif

short cell[K];
byte holder[K];                     /* ghost: which goroutine holds it */
bit dirty[K];                       /* ghost: a holder died, and nobody released it in good order since */
byte lost[K], back[K];              /* ghost: permits that died, permits that came back */
bit dead[5];                        /* by process */
bit joined;
byte crashes;

proctype Holder(byte me) {
  byte n, i; short v, mine;
  { if :: me==4 ->
endjoin: atomic { dead[2] -> joined=1 }                                  /* join.alive */
       :: else fi;
next:
    atomic { v=0; mine=0; i=0; if :: n<OPS -> n++ :: else -> n=0; goto out fi };
try:
    atomic { v=cell[i]; if :: OWNER(v)!=0 -> i++; if :: i<K -> goto try :: else -> goto next fi :: else fi };   /* sem.look */
    atomic { if
#ifdef M_NOCAS
             :: true ->
#else
             :: cell[i]==v ->
#endif
                  assert(holder[i]==0);                                  /* one holder */
                  mine=CELL(DIED(v),PROC(me),SEQ(v)+1); cell[i]=mine; holder[i]=me;
                  assert(DIED(mine)==dirty[i])                           /* a death inside is told until repaired */
#ifndef M_NOCAS
             :: else -> goto next                                        /* sem.take */
#endif
             fi };
release:
    atomic { v=0; if :: cell[i]==mine -> assert(holder[i]==me); cell[i]=CELL(0,0,SEQ(mine)); holder[i]=0; dirty[i]=0   /* sem.give */
                     :: else -> assert(false)                            /* unreached: never robbed */
             fi };
    atomic { if :: skip
                :: true ->                                               /* a second release, a mistake of the caller */
#ifdef M_NOSEQ
                     if :: OWNER(cell[i])==PROC(me) ->
#else
                     if :: cell[i]==mine ->
#endif
                          assert(holder[i]==me); cell[i]=CELL(0,0,SEQ(mine)); holder[i]=0   /* unreached: the sequence is another */
                        :: else fi
             fi; goto next }
  } unless { atomic { dead[PROC(me)] -> v=0; mine=0; i=0; n=0 } };
out: skip
}
proctype Sweeper(byte me) {
  byte i, n; short v;
  { skip;
ends: atomic { n<crashes -> n=crashes; i=0 };                            /* a pass after each death */
one:
    atomic { v=cell[i]; if :: OWNER(v)==0 -> goto more :: else fi };     /* sem.sweep */
    atomic { if :: LIVES(OWNER(v)) -> goto more :: else fi };            /* owner.gone */
    atomic { if
#ifdef M_BLINDSWEEP
             :: true ->
#else
             :: cell[i]==v ->
#endif
#ifdef M_FORGET
                  cell[i]=CELL(0,0,SEQ(v));
#else
                  cell[i]=CELL(1,0,SEQ(v));                              /* sem.sweep */
#endif
                  assert(holder[i]!=0 && dead[PROC(holder[i])]);         /* never the living */
                  holder[i]=0; back[i]++; assert(back[i]<=lost[i])       /* comes back once */
#ifndef M_BLINDSWEEP
             :: else
#endif
             fi };
more: atomic { v=0; i++; if :: i<K -> goto one :: else -> i=0; goto ends fi }
  } unless { atomic { me==4 && dead[4] -> v=0; i=0; n=0 } };
}
inline kill(p) {
  dead[p]=1; crashes++; j=0;
  do :: j<K -> if :: holder[j]!=0 && PROC(holder[j])==p -> lost[j]++; dirty[j]=1 :: else fi; j++ :: else -> break od; j=0 }
active proctype killer() {
  byte j;
endk: do
  :: atomic { crashes<CRASHES && !dead[1] -> kill(1) }
  :: atomic { crashes<CRASHES && !dead[2] -> kill(2) }
  :: atomic { crashes<CRASHES && !dead[3] && joined -> kill(3) }
  :: atomic { crashes<CRASHES && !dead[4] -> dead[4]=1; crashes++ }
  :: break                          /* no more: then a timeout means that nothing moves */
  od
}
/* When nothing moves any more, the living sweeper has swept: every permit is free. */
active proctype auditor() {
enda: atomic { timeout -> assert(OWNER(cell[0])==0 && OWNER(cell[K-1])==0); assert(lost[0]==back[0] && lost[K-1]==back[K-1]) }
}
init { atomic { run Holder(1); run Holder(3); run Sweeper(5);
#ifndef JOIN
  run Holder(2);
#endif
#ifdef PAIR
  dead[4]=1; dead[3]=1
#else
  run Holder(4); run Sweeper(4)
#endif
  } }
