/* Bag, Move, and the versioned bitmap: bag.go, bitmap.go, sweep.go.
 *
 * Two bags, one record; the bitmap word of each bag has a version and one bit. Actors
 * put, get from either bag, move, take; each is killed before any step, or stopped
 * for good. At the end the auditor sweeps and looks into both bags.
 *
 * The same bitmap holds the free records of an arena: get is alloc, put is free.
 */
#ifndef OPS
#define OPS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STALLS
#define STALLS 0
#endif
#define FREE 0
#define POSTED 1
#define OWNED 2
#define HD(st,bag,own,turn) ((turn)*64+(own)*8+(bag)*4+(st))   /* header */
#define ST(h) ((h)&3)
#define BAG(h) (((h)>>2)&1)
#define OWN(h) (((h)>>3)&7)
#define TURN(h) ((h)>>6)
#define AUD 4

short H;
byte bits[2];                       /* {version, bit 0} of each bag */
bit gone[5], dead[5], fin[5];
byte claimedturn, crashes, stalls;
bit bymove;                         /* ghost: the post is a move, of a record that was nobody's */
#define HAS(q) (ST(H)==POSTED && BAG(H)==(q))
#define CLEAN h=0; b=0; w=0; q=0; after=0

proctype Actor(byte me) {
  byte n, w, q, after; short h, b;
  { skip;
next:
    atomic { CLEAN;
      if :: n<OPS -> n++; if :: q=0 :: q=1 fi;
              if :: goto new :: goto get :: goto move :: goto take :: crashes>0 -> goto sweep fi
         :: n=0; fin[me]=1; goto out
      fi };
new:
    atomic { if :: ST(H)==FREE -> b=HD(OWNED,0,me,TURN(H)+1); H=b; goto put :: else -> goto next fi };  /* alloc */

/* lane.post, bag.publish: the header, then the bit */
put:
    atomic { assert(H==b); h=HD(POSTED,q,me,TURN(b)+1);
#ifdef M_BITFIRST
             w=bits[q]; bits[q]=((w/2+1)%64)*2+1; w=0 };
    atomic { assert(H==b); H=h; goto next };
#else
             bymove=0; H=h };                                                                          /* post */
    goto setbit;
#endif

/* bag.get */
get:
    atomic { w=bits[q]; if :: w%2==0 -> goto next :: else fi };                              /* bag.look */
    atomic { h=H; w=0; if :: !HAS(q) -> after=0; goto clear :: else fi };                    /* bag.header */
    atomic { if :: H==h -> b=HD(OWNED,q,me,TURN(h)); H=b; assert(claimedturn<TURN(h)); claimedturn=TURN(h);
                           h=0; after=1; goto clear                                          /* claim */
                :: else -> goto next fi };

/* lane.takeOut */
take:
    atomic { h=H; if :: !HAS(q) -> goto next :: else fi };                                   /* take.header */
    atomic { if :: H==h -> b=HD(OWNED,q,me,TURN(h)); H=b; assert(claimedturn<TURN(h)); claimedturn=TURN(h);
                           h=0; goto claimed                                                 /* take */
                :: else -> goto next fi };
claimed:
    atomic { assert(H==b); if :: q=0; goto put :: q=1; goto put :: H=HD(FREE,0,0,TURN(b)); goto next fi };

/* bag.moveTo: from bag q to the other one */
move:
    atomic { h=H; if :: !HAS(q) -> goto next :: else fi };                                   /* take.header */
    atomic { w=bits[1-q] };                                                                  /* bag.bit */
    atomic { if :: bits[1-q]==w -> bits[1-q]=((w/2+1)%64)*2+1; w=0 :: else -> goto next fi }; /* bag.bit; a lost race is another run */
    atomic { if
#ifdef M_MOVENOCAS
             :: true ->
#else
             :: H==h ->
#endif
                  h=HD(POSTED,1-q,me,TURN(h)+1); H=h; bymove=1; goto next                              /* bag.move */
#ifndef M_MOVENOCAS
             :: else -> goto next
#endif
             fi };

/* bitmap.clear(q) unless the header says posted, here or in the other bag */
clear:
    atomic { w=bits[q]; if :: w%2==0 -> goto cleared :: else fi };                           /* bag.bit */
#ifdef M_KEEPHERE
    atomic { if :: HAS(q) -> goto cleared :: else fi };
#else
#ifndef M_NOKEEP
    atomic { if :: ST(H)==POSTED -> goto cleared :: else fi };                               /* bag.header */
#endif
#endif
    atomic { if :: bits[q]==w -> bits[q]=w-1; goto cleared :: else -> goto clear fi };       /* bag.bit */
cleared:
    atomic { w=0;
      if :: after==0 -> goto next
         :: else -> after=0; goto claimed fi };
setbit:                             /* bitmap.set(q) */
    atomic { w=bits[q] };                                                                    /* bag.bit */
    atomic { if :: bits[q]==w ->
#ifdef M_NOVERSION
                     bits[q]=(w/2)*2+1; goto next
#else
                     bits[q]=((w/2+1)%64)*2+1; goto next                                     /* bag.bit */
#endif
                :: else -> goto setbit fi };

/* arena.sweep */
sweep:
    atomic { h=H; if :: ST(h)==FREE -> goto next :: ST(h)==POSTED -> q=BAG(h); goto sweepbit :: else fi };   /* scan */
    atomic { if :: !dead[OWN(h)] -> goto next :: else fi };                                  /* owner.gone */
    atomic { if :: H==h -> q=BAG(h); h=HD(POSTED,q,me,TURN(h)+1); bymove=0; H=h; goto setbit /* sweep.post */
                :: else -> goto next fi };
sweepbit:
    atomic { if :: bits[q]%2==0 -> goto setbit :: else -> goto next fi };                    /* sweep.bit */
  } unless { atomic { gone[me] -> CLEAN; n=0 } };
out: skip
}

#define QUIET(a) (gone[a] || fin[a])
active proctype auditor() {
  atomic { QUIET(1) && QUIET(2) && QUIET(3) ->
    fin[AUD]=1;
    if :: STALLS==0 && ST(H)==POSTED && crashes==0 -> assert(bits[BAG(H)]%2==1)   /* without a death no sweep is needed */
       :: else fi;
    if :: ST(H)==POSTED && bymove -> assert(bits[BAG(H)]%2==1) :: else fi;        /* a mover, stopped or dead, hides nothing */
#ifndef M_NOSWEEPBIT
    if :: ST(H)==POSTED -> bits[BAG(H)]=bits[BAG(H)]|1 :: else fi;                /* sweep */
#endif
    if :: ST(H)==OWNED && dead[OWN(H)] -> H=HD(POSTED,BAG(H),AUD,TURN(H)+1); bits[BAG(H)]=bits[BAG(H)]|1 :: else fi;
    assert(ST(H)!=POSTED || bits[BAG(H)]%2==1);                                   /* a get finds it */
    assert(ST(H)!=OWNED || gone[OWN(H)] && !dead[OWN(H)]);                        /* nobody dead owns it */
  }
}
active proctype killer() {
endk: do
  :: atomic { crashes<CRASHES && !fin[AUD] && !QUIET(crashes+stalls+1) -> gone[crashes+stalls+1]=1; dead[crashes+stalls+1]=1; crashes++ }
  :: atomic { stalls<STALLS && !fin[AUD] && !QUIET(crashes+stalls+1) -> gone[crashes+stalls+1]=1; stalls++ }
  od
}
init { atomic { run Actor(1); run Actor(2);
#ifdef THREE
  run Actor(3)
#else
  fin[3]=1
#endif
  } }
