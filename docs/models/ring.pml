/* Ring, record headers, sweep: lane.go, ring.go, arena.go, sweep.go.
 *
 * N slots and N records. Every actor runs OPS operations, each chosen freely:
 * new + post, get, take (then post again, post or keep, or free), sweep. Up to
 * CRASHES actors die and STALLS stop for good, each before any step; crashed and
 * stopped differ only in what the registry says. An actor that ends may leave
 * its slot, and with REUSE actor 3 joins the slot that actor 1 left, and only lives. When nothing
 * moves any more the auditor (the same code) sweeps twice, drains and counts.
 *
 * One atomic block is one access to a shared word; the comment behind it is the
 * name of its point in shm/point.go.
 */
#ifndef N
#define N 2
#endif
#ifndef ACTORS
#define ACTORS 2
#endif
#ifndef OPS
#define OPS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STALLS
#define STALLS 0
#endif
/* TM, if set: turns are compared modulo TM. Then a record may be got by an old slot that leads to
 * it again, before those ahead of it: order, EMPTY and FULL are not checked, that nothing is lost is. */
#define AUD 4                       /* the auditor */

#define FREE 0
#define NEW 1
#define POSTED 2
#define OWNED 3
#define HD(st,own,turn) ((turn)*32+(own)*4+(st))     /* header */
#define ST(h) ((h)&3)
#define OWN(h) (((h)>>2)&7)
#define TURN(h) ((h)>>5)
#define SL(lap,turn,i1) ((lap)*128+(turn)*4+(i1))    /* slot; i1 is record + 1, 0: empty */
#define I1(s) ((s)&3)
#define STURN(s) (((s)>>2)&31)
#define LAP(s) ((s)>>7)

short H[N];                         /* headers */
short S[N];                         /* slots */
byte tail, head;                    /* positions */
bit alive[5];                       /* by registry slot; the judge is taken as perfect */
bit gone[5];                        /* by actor: takes no step any more */
bit fin[5];
bit stopped[5];                     /* by registry slot: stopped for good, not dead */
bit waits[5];                       /* by actor: at the end, but for what met a full ring */
byte claimedturn[N];                /* ghost: last turn that was claimed */
byte crashes, stalls;

#ifdef TM
#define SAME(a,b) ((a)%TM==(b)%TM)
#define EXACT(x) skip
#else
#define SAME(a,b) ((a)==(b))
#define EXACT(x) assert(x)
#endif
#ifdef M_NOTURN
#define LEADS(s) (ST(H[I1(s)-1])==POSTED)
#else
#define LEADS(s) (ST(H[I1(s)-1])==POSTED && SAME(TURN(H[I1(s)-1]),STURN(s)))
#endif
#define FILLED(s,lap) (LAP(s)==(lap) && I1(s)!=0)
#define UNFILLED(s,lap) (I1(s)==0 && (lap)==0 || I1(s)!=0 && LAP(s)+1==(lap))
/* What is so, for the assertions: exact turns, and all at one instant. */
#define WAITS(k) (I1(S[k])!=0 && ST(H[I1(S[k])-1])==POSTED && TURN(H[I1(S[k])-1])==STURN(S[k]))
#define POS(k) (LAP(S[k])*N+(k))
#define BEFORE(k,p) (POS(k)<(p))
#define INSLOT(i) (WAITS(0) && I1(S[0])==(i)+1 || WAITS(N-1) && I1(S[N-1])==(i)+1)
#define NONEWAITS (!WAITS(0) && !WAITS(N-1))
#define NOEARLIER(p) (!(WAITS(0) && BEFORE(0,p)) && !(WAITS(N-1) && BEFORE(N-1,p)))
#if N==1
#define RECORD(i) i=0
#else
#define RECORD(i) if :: i=0 :: i=1 fi
#endif
#define MEET(k,at) ((at)+((k)+N-(at)%N)%N)           /* the first position at or after at in slot k */
#ifdef M_NOAHEAD
#define AHEAD(k,s,at) 1
#else
#define AHEAD(k,s,at) (FILLED(s,MEET(k,at)/N) || FILLED(s,MEET(k,at)/N+1))
#endif
#define LEDTO(k,i) (I1(S[k])==(i)+1 && SAME(TURN(H[i]),STURN(S[k])) && AHEAD(k,S[k],head))
#define CANPUBLISH (!(UNFILLED(S[tail%N],tail/N) && head+N<=tail && LEADS(S[tail%N])))
#ifdef M_ROB
#define LIVES(o) 0
#define DEAD 1
#else
#define LIVES(o) alive[o]
#define DEAD (!alive[1] && gone[1] || !alive[2] && gone[2])
#endif

/* Progress: a retry is owed to a step of somebody else, and there are few. */
#ifdef TRIES
#define TRY tries++; assert(tries<TRIES)
#else
#define TRY skip
#endif
#define CLEAN i=0; t=0; at=0; tries=0; s=0; h=0; b=0; ret=0; none=0
#define CLEARLOST lost[0]=0; lost[N-1]=0
#define CLEARKEPT kept[0]=0; kept[N-1]=0

#define toNEXT 0                    /* where to go on after a publication */
#define toSWEEP 1
#define toLOST 2
#define toKEPT 3
#define toTELL 4                    /* Put: a full ring takes the post back */

proctype Actor(byte me; byte slot) {
  byte n, i, t, at, tries, ret; short s, h, b; bit none;
  byte seen;                        /* headSeen: a position the head has passed */
  short lost[N], kept[N];
  { skip;
#ifdef REUSE
    if :: me==3 -> skip;
endjoin: atomic { !alive[slot] && fin[1] && !gone[1] && !alive[AUD] -> alive[slot]=1; fin[3]=0 }
       :: else fi;
#endif
next:
    atomic { CLEAN; CLEARLOST;
      if :: n<OPS && me!=3 -> n++;
              if :: RECORD(i); goto alloc
                 :: goto get
#ifndef NOTAKE
                 :: RECORD(i); goto take
#endif
                 :: DEAD -> goto sweep
              fi
         :: n=0; goto ending
      fi };

/* arena.alloc; the bitmap is in bag.pml */
alloc:
    atomic { h=H[i]; if :: ST(h)!=FREE -> goto next :: else fi };                            /* alloc.header */
    atomic { if :: H[i]==h -> b=HD(NEW,slot,TURN(h)+1); H[i]=b; goto dopost :: else -> goto next fi };   /* alloc */

/* lane.takeOut */
take:
    atomic { h=H[i]; if :: ST(h)!=POSTED -> goto next :: else fi };                          /* take.header */
    atomic { if :: H[i]==h -> b=HD(OWNED,slot,TURN(h)); H[i]=b;                              /* take */
                  assert(claimedturn[i]<TURN(h)); claimedturn[i]=TURN(h); goto claimed
             :: else -> goto next fi };

/* ring.get */
get:
    atomic { TRY; s=0; h=0; at=head };                                                       /* ring.head */
    atomic { s=S[at%N]; none=NONEWAITS;                                                      /* ring.slot */
      if :: UNFILLED(s,at/N) -> EXACT(none); goto next                                      /* EMPTY is exact */
         :: FILLED(s,at/N) -> i=I1(s)-1
         :: else -> goto getodd fi };
    atomic { none=0; h=H[i]; if :: !LEADS(s) ->                                              /* ring.header */
#ifdef M_EMPTYEARLY
                  EXACT(NONEWAITS); goto next
#else
                  goto gethead
#endif
                :: else fi };
#ifdef M_HEADFIRST
    atomic { if :: head==at -> head=at+1 :: else fi };
#endif
    atomic { if
#ifdef M_NOCAS
             :: true ->
#else
             :: H[i]==h ->
#endif
                  EXACT(NOEARLIER(at));                                                     /* FIFO per post */
                  assert(claimedturn[i]<TURN(h)); claimedturn[i]=TURN(h);                    /* once */
                  b=HD(OWNED,slot,TURN(h)); H[i]=b                                           /* claim */
#ifndef M_NOCAS
             :: else
#endif
             fi };
gethead:
    atomic { if :: head==at -> head=at+1; EXACT(NOEARLIER(at+1)); assert(head<=tail+1) :: else fi;                /* ring.head.move */
      if :: b!=0 -> goto claimed :: else -> goto get fi };
getodd:
    atomic { none=0; if :: head!=at -> goto get :: else fi };                                /* ring.head */
    atomic { assert(S[at%N]!=s); goto get };                                                 /* ring.slot: else corrupt */

claimed:                            /* b is the claim; a living process is never robbed of it */
    atomic { assert(H[i]==b); at=0; s=0; h=0; tries=0; none=0;
      if :: ret=toTELL; goto dopost                         /* Put */
         :: ret=toNEXT; goto dopost                         /* Release: postOrKeep */
         :: goto free fi };
free:
    atomic { assert(H[i]==b); H[i]=HD(FREE,0,TURN(b)); goto next };                          /* free */
dopost:
    atomic { assert(H[i]==b); h=HD(POSTED,slot,TURN(b)+1); H[i]=h; tries=0 };                /* post */

/* ring.publish(i, h) */
publish:
    atomic { TRY; s=0; at=0; t=tail };                                                       /* ring.tail */
    atomic { s=S[t%N];                                                                       /* ring.slot */
      if :: UNFILLED(s,t/N) ->
#ifdef M_BLINDPUT
                goto fill
#else
                if :: seen+N>t -> goto fill :: else fi
#endif
         :: FILLED(s,t/N) -> goto movetail
         :: else -> goto putodd fi };
    atomic { seen=head; if :: seen+N>t -> goto fill :: else fi };                            /* ring.head: passed */
#ifdef M_BLINDFULL
    atomic { EXACT(S[t%N]==s && WAITS(t%N)); goto isfull };
#else
    atomic { if :: LEADS(s) -> EXACT(S[t%N]==s && WAITS(t%N)); goto isfull                  /* ring.header: FULL is exact */
                :: else fi };
#endif
#ifndef M_NORAISE
raise:                              /* ring.raiseHead */
    atomic { at=head; if :: at+N>t -> goto fill :: else fi };                                /* ring.head */
    atomic { if :: head==at -> head=t-N+1; EXACT(NOEARLIER(t-N+1)); assert(head<=tail+1) :: else -> goto raise fi };   /* ring.head.move */
#endif
fill:
    atomic { at=0; if
#ifdef M_BLINDFILL
                   :: true ->
#else
                   :: S[t%N]==s ->
#endif
                        EXACT(!WAITS(t%N));                                                 /* nothing that waits is overwritten */
                        assert(t==0 || POS((t-1)%N)==t-1);                                   /* positions are filled in order */
                        assert(head+N>t); assert(tail>=t);                                                    /* and not a lap ahead of the head */
                        S[t%N]=SL(t/N,TURN(h),i+1)                                           /* ring.fill */
#ifndef M_BLINDFILL
                   :: else -> goto publish
#endif
                   fi };
    atomic { if :: tail==t -> tail=t+1; assert(I1(S[t%N])!=0 && POS(t%N)>=t && tail<=head+N) :: else fi; goto published };                         /* ring.tail.move */
movetail:
    atomic { if :: tail==t -> tail=t+1; assert(I1(S[t%N])!=0 && POS(t%N)>=t && tail<=head+N) :: else fi; goto publish };                           /* ring.tail.move */
putodd:
    atomic { if :: tail!=t -> goto publish :: else fi };                                     /* ring.tail */
    atomic { assert(S[t%N]!=s); goto publish };                                              /* ring.slot: else corrupt */
isfull:
    atomic {
      if :: ret==toTELL ->                                  /* Put gives up: ErrFull */
#ifdef M_BLINDUNDO
              H[i]=b; h=0; s=0; t=0; goto free
#else
              if :: H[i]==h -> H[i]=b; h=0; s=0; t=0; goto free                         /* post.undo */
                 :: else -> goto next fi                    /* it was delivered meanwhile */
#endif
         :: else -> kept[i]=h fi };
published:
    atomic { t=0; at=0; s=0; h=0; tries=0;
      if :: ret==toSWEEP -> goto swept
         :: ret==toLOST -> goto lostnext
         :: ret==toKEPT -> goto ending
         :: else -> goto next fi };

/* arena.sweep: one pass over the headers, then republish */
sweep:
    atomic { h=H[i]; if :: ST(h)==FREE -> goto swept :: else fi };                           /* scan */
    atomic { if :: LIVES(OWN(h)) -> goto swept                                               /* owner.gone */
                :: else -> if :: ST(h)==POSTED -> lost[i]=h; goto swept :: else fi fi };
    atomic { if :: H[i]!=h -> goto swept
                :: else ->
                     if :: ST(h)==OWNED -> h=HD(POSTED,slot,TURN(h)+1); H[i]=h;              /* sweep.post */
                                           ret=toSWEEP; goto publish
                        :: else -> h=HD(NEW,slot,TURN(h)+1); H[i]=h fi fi };                 /* sweep.take */
    atomic { assert(H[i]==h); H[i]=HD(FREE,0,TURN(h)) };                                     /* free */
swept:
    atomic { h=0; i++; if :: i<N -> goto sweep :: else -> i=0 fi;
      if :: lost[0]==0 && lost[N-1]==0 -> goto next :: else fi };
scan:                               /* ring.inSlots */
#ifndef M_NOSCAN
    atomic { at=head };                                                                      /* ring.head */
look:
    atomic { s=S[i];                                                                         /* sweep.slot */
      if :: I1(s)!=0 && lost[I1(s)-1]!=0 && SAME(TURN(lost[I1(s)-1]),STURN(s)) && AHEAD(i,s,at) -> lost[I1(s)-1]=0 :: else fi;
      s=0; i++; if :: i<N -> goto look :: else -> at=0 fi };
#endif
    atomic { i=0 };
lostone:
    atomic { h=lost[i]; lost[i]=0;
      if :: h!=0 && H[i]==h -> assert(!INSLOT(i)); h=HD(POSTED,slot,TURN(h)+1); H[i]=h; ret=toLOST; goto publish  /* sweep.post */
         :: else fi };
lostnext:
    atomic { h=0; i++; if :: i<N -> goto lostone :: else -> goto next fi };

/* The end: what met a full ring is tried again each second, or until the process leaves. */
ending:
    atomic { CLEAN; if :: kept[0]==0 && kept[N-1]==0 -> waits[me]=0; goto leave :: else -> waits[me]=1 fi };
endkept:
    atomic {
      if
      :: CANPUBLISH -> waits[me]=0; i=(kept[0]!=0 -> 0 : N-1); h=kept[i]; kept[i]=0;         /* backlog */
         if :: H[i]==h -> ret=toKEPT; goto publish :: else -> goto ending fi
      :: waits[me]=0; CLEARKEPT;
#ifdef M_LEAVEFREE
         alive[slot]=0; fin[me]=1; goto out                 /* leave: free, though it still owes a slot */
#else
         alive[slot]=0; gone[me]=1; goto out                /* unlocked only: it will be judged dead */
#endif
      fi };
leave:
    atomic { if :: alive[slot]=0 :: skip fi; fin[me]=1 }    /* leaves, or lives on and does nothing */
  } unless { atomic { gone[me] -> CLEAN; CLEARLOST; CLEARKEPT; n=0; seen=0 } };
out: skip
}

/* The auditor takes the same steps, alone: no other process is under way. */
#define QUIET(a) (gone[a] || fin[a] || waits[a])
inline publishalone() {
  do
  :: UNFILLED(S[tail%N],tail/N) && head+N<=tail && LEADS(S[tail%N]) -> kept[i]=H[i]; break
  :: UNFILLED(S[tail%N],tail/N) && (head+N>tail || !LEADS(S[tail%N])) ->
       if :: head+N<=tail -> head=tail-N+1 :: else fi;
       S[tail%N]=SL(tail/N,TURN(H[i]),i+1); tail++; break
  :: FILLED(S[tail%N],tail/N) -> tail++
  :: else -> assert(false)
  od }
inline sweepalone() {
  i=0;
  do
  :: i<N && (ST(H[i])==FREE || LIVES(OWN(H[i]))) -> i++
  :: i<N && ST(H[i])==NEW && !LIVES(OWN(H[i])) -> H[i]=HD(FREE,0,TURN(H[i])+1); did=1; i++
  :: i<N && ST(H[i])==OWNED && !LIVES(OWN(H[i])) -> H[i]=HD(POSTED,AUD,TURN(H[i])+1); did=1; publishalone(); i++
  :: i<N && ST(H[i])==POSTED && !LIVES(OWN(H[i])) ->
       if :: LEDTO(0,i) || LEDTO(N-1,i)
          :: else -> H[i]=HD(POSTED,AUD,TURN(H[i])+1); did=1; publishalone() fi; i++
  :: i>=N -> break
  od }
inline drainalone() {
  do
  :: UNFILLED(S[head%N],head/N) -> break
  :: FILLED(S[head%N],head/N) ->
       i=I1(S[head%N])-1;
       if :: LEADS(S[head%N]) -> H[i]=HD(FREE,0,TURN(H[i])); did=1 :: else fi;
       head++
  :: else -> assert(false)
  od }
active proctype auditor() {
  byte i; bit did; short kept[N];
enda:
  do
  :: d_step { QUIET(1) && QUIET(2) && QUIET(3) -> alive[AUD]=1;
       assert(crashes+stalls>0 || UNFILLED(S[tail%N],tail/N));
       sweepalone(); did=0; sweepalone(); assert(!did);     /* sweeping twice is sweeping once */
       do
       :: did=0; drainalone();
          i=0; do :: i<N && kept[i]!=0 -> kept[i]=0; publishalone(); did=1; i++
                  :: i<N && kept[i]==0 -> i++
                  :: i>=N -> break od;
          if :: !did -> break :: else fi
       od;
       i=0;
       do :: i<N -> assert(ST(H[i])==FREE || stopped[OWN(H[i])] || kept[i]!=0
               || waits[1] || waits[2] || waits[3]); i++    /* those try again, and we look again */
          :: else -> break od;
       i=0; did=0 };
     if :: waits[1] || waits[2] || waits[3] -> !(waits[1] || waits[2] || waits[3]) && QUIET(1) && QUIET(2) && QUIET(3)
        :: else -> break fi
  od }

active proctype killer() {
#ifndef VICTIM
#define VICTIM (crashes+stalls+1)   /* actors 1 and 2 are alike */
#endif
endk: do
  :: atomic { crashes<CRASHES && !alive[AUD] && !gone[VICTIM] && !fin[VICTIM] -> gone[VICTIM]=1; waits[VICTIM]=0; alive[VICTIM]=0; crashes++ }
  :: atomic { stalls<STALLS && !alive[AUD] && !gone[VICTIM] && !fin[VICTIM] -> gone[VICTIM]=1; waits[VICTIM]=0; stopped[VICTIM]=1; stalls++ }
  od
}
init { atomic {
  alive[1]=1; alive[2]=1; fin[3]=1;
  run Actor(1,1); run Actor(2,2);
#ifdef REUSE
  run Actor(3,1)
#endif
  } }
