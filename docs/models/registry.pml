/* Registry and slot reuse: process.go (join, adopt, judge, leave), sweep.go, file_linux.go.
 *
 * NS slots, PROCS processes, one record in a queue. Each process joins any free slot, or a
 * dead one and adopts; claims and posts the record; judges and sweeps the others; leaves.
 * A killed process keeps its locks until the kernel drops them, at any later time.
 */
#ifndef NS
#define NS 1
#endif
#ifndef PROCS
#define PROCS 3
#endif
#ifndef OPS
#define OPS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define FREE 0
#define ALIVE 1
#define DEAD 2
#define POSTED 0
#define OWNED 1
#define HD(st,own,turn) ((turn)*8+(own)*2+(st))      /* header; own is slot + 1 */
#define ST(h) ((h)&1)
#define OWN(h) (((h)>>1)&3)
#define TURN(h) ((h)>>3)
#define WD(gen,st) ((gen)*4+(st))                    /* slot word */
#define WST(w) ((w)&3)
#define GEN(w) ((w)>>2)

byte W[NS], life[NS], reg[NS];                       /* locks: who holds them, 0 nobody */
byte occ[NS];                                        /* ghost: who wrote alive */
short H;
byte holder;                                         /* ghost: the process that owns the record */
bit gone[PROCS+1], reaped[PROCS+1], left[PROCS+1];
byte crashes;
#define CLEAN v=0; h=0; o=0; b=0; vo=0

proctype P(byte me) {
  byte s, n, o, v, vo, gen; short h, b; bit want, adopt, judged;
  { skip;
join:
    atomic { CLEAN; if :: s=0 :: NS>1 -> s=NS-1 fi; if :: want=FREE :: want=1 fi;
      v=W[s]; if :: want==0 && WST(v)==FREE || want==1 && WST(v)==DEAD -> skip :: else -> left[me]=1; goto out fi };   /* join.look */
#ifndef M_ONELOCK
    atomic { if :: reg[s]==0 -> reg[s]=me :: else -> left[me]=1; goto out fi };             /* the registration byte */
    atomic { if :: W[s]!=v -> reg[s]=0; left[me]=1; goto out :: else fi };                  /* join.again */
#endif
    atomic { if :: life[s]==0 -> life[s]=me :: else -> if :: reg[s]==me -> reg[s]=0 :: else fi; left[me]=1; goto out fi };   /* the life byte */
    atomic { if :: W[s]==v -> gen=GEN(v)+want;                                              /* join.alive */
                    assert(occ[s]==0 || gone[occ[s]]);      /* never two alive on a slot */
                    assert(WST(v)==FREE || gone[occ[s]]);
                    W[s]=WD(gen,ALIVE); occ[s]=me
                :: else -> goto nojoin fi };
    reg[s]=0;
    atomic { v=0; adopt=want; if :: adopt -> o=s; goto sweep :: else fi };
next:
    atomic { CLEAN; judged=0; assert(W[s]==WD(gen,ALIVE));  /* a living process is never declared dead */
      if :: n<OPS -> n++; if :: goto claim :: goto judge fi
         :: goto leave fi };
claim:
    atomic { h=H; if :: ST(h)!=POSTED -> goto next :: else fi };                            /* take.header */
    atomic { if :: H==h -> b=HD(OWNED,s+1,TURN(h)); H=b; holder=me; h=0 :: else -> goto next fi };   /* claim */
    atomic { assert(H==b && holder==me); H=HD(POSTED,s+1,TURN(b)+1); holder=0; goto next }; /* post: never robbed */

judge:
    atomic { if :: o=0 :: NS>1 -> o=NS-1 fi;
#ifndef M_SELF
      if :: o==s -> goto next :: else fi;
#endif
      v=W[o]; if :: WST(v)==DEAD -> goto before :: WST(v)==FREE -> goto next :: else fi };  /* judge.look */
    atomic { if :: life[o]==0 || life[o]==me -> skip :: else -> goto next fi };             /* F_OFD_GETLK: the own lock is no conflict */
#ifdef M_NORECHECK
    atomic { W[o]=WD(GEN(v),DEAD) };
#else
    atomic { if :: W[o]==v -> assert(gone[occ[o]]); W[o]=WD(GEN(v),DEAD) :: else -> goto next fi };   /* judge.dead */
#endif
before:
    atomic { vo=W[o]; v=0; if :: WST(vo)!=DEAD -> goto next :: else fi };                   /* sweep.slot.word */
#ifdef M_FREEFIRST
    goto freeslot;
#endif
sweep:
    atomic { h=H; if :: ST(h)!=OWNED -> goto swept :: else fi };                            /* scan */
#ifndef M_NOOWNERLOOK
    atomic { if :: WST(W[OWN(h)-1])==ALIVE && !(adopt && OWN(h)==s+1) -> goto swept :: else fi };   /* owner.gone */
#endif
    atomic { if :: H==h -> assert(gone[holder]);             /* a living process is never robbed */
                           H=HD(POSTED,s+1,TURN(h)+1); holder=0                             /* sweep.post */
                :: else fi };
swept:
    atomic { h=0; if :: adopt -> adopt=0; goto next :: else fi };
    atomic { if :: ST(H)==OWNED && OWN(H)==o+1 -> goto next :: else fi };                   /* owners: scan */
freeslot:
    atomic { if :: W[o]==vo -> assert(!(ST(H)==OWNED && OWN(H)==o+1));   /* free only after its sweep */
                               W[o]=WD(GEN(vo)+1,FREE); occ[o]=0; goto next                 /* sweep.free */
                :: else -> goto next fi };

leave:
#ifdef M_UNLOCKFIRST
    atomic { life[s]=0 };
    atomic { assert(W[s]==WD(gen,ALIVE)); W[s]=WD(gen+1,FREE); occ[s]=0; left[me]=1; goto out };
#else
    atomic { assert(W[s]==WD(gen,ALIVE)); W[s]=WD(gen+1,FREE); occ[s]=0 };                  /* leave */
    atomic { life[s]=0; left[me]=1; goto out };
#endif
nojoin:
    atomic { life[s]=0; reg[s]=0; left[me]=1 }
  } unless { atomic { gone[me] -> CLEAN; s=0; n=0; gen=0; want=0; adopt=0; judged=0 } };
out: atomic { CLEAN; s=0; n=0; gen=0; want=0; adopt=0 }
}
active proctype killer() {
  byte k;
endk: do
  :: atomic { crashes<CRASHES && !gone[crashes+1] && !left[crashes+1] -> gone[crashes+1]=1; crashes++ }
  od
}
active proctype kernel() {          /* drops the locks of the dead */
endl: do
  :: atomic { gone[1] && !reaped[1] -> reaped[1]=1;
       if :: life[0]==1 -> life[0]=0 :: else fi; if :: reg[0]==1 -> reg[0]=0 :: else fi;
       if :: life[NS-1]==1 -> life[NS-1]=0 :: else fi; if :: reg[NS-1]==1 -> reg[NS-1]=0 :: else fi }
  :: atomic { gone[2] && !reaped[2] -> reaped[2]=1;
       if :: life[0]==2 -> life[0]=0 :: else fi; if :: reg[0]==2 -> reg[0]=0 :: else fi;
       if :: life[NS-1]==2 -> life[NS-1]=0 :: else fi; if :: reg[NS-1]==2 -> reg[NS-1]=0 :: else fi }
  od
}
/* A death shows as soon as the kernel dropped the locks: nobody who is not alive there hides it. */
#define MASKED(k) (WST(W[k])==ALIVE && occ[k]!=0 && gone[occ[k]] && reaped[occ[k]] && life[k]!=0)
active proctype watch() {
endw: atomic { MASKED(0) || MASKED(NS-1) -> assert(false) }
}
init { atomic { run P(1); run P(2);
#if PROCS>2
  run P(3)
#endif
  } }
