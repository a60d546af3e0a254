/* A launch: objects/launch.go, address.go (charge), index.go (Insert), records.go, sweep.go.
 *
 * Two records, two keys, one quota cell for all launches (one address, one unfinished request each).
 * Launchers allocate, fill, take the cell, aim, insert, post; a worker takes what is posted, finishes
 * it, retires it. Each may die before any step; sweepers too. The index is one word a key, changed
 * by one CAS: its inside is in index.pml, the queue's in ring.pml.
 */
#ifndef OPS
#define OPS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define FREE 0
#define NEW 1
#define POSTED 2
#define OWNED 3                     /* by a worker */
#define SETTLED 4                   /* finished */
#define RETIRING 5
#define HD(st,own,aim,life) ((life)*64+(aim)*32+(own)*8+(st))   /* header; aim: it has a queue */
#define ST(h) ((h)&7)
#define OWN(h) (((h)>>3)&3)
#define AIM(h) (((h)>>5)&1)
#define LIFE(h) ((h)>>6)
#define REF(life,i) ((life)*2+(i))  /* 0: none; lives begin with 1 */
#define REC(r) ((r)&1)
#define RLIFE(r) ((r)>>1)

short H[2];
byte X[2];                          /* the index, by key: a reference */
byte cell;                          /* the quota cell: a reference */
byte key[2];                        /* of the record, written before it is in the index */
bit charged[2];                     /* ghost: of the record */
bit accepted[2], done[2];           /* ghost: its insert was decided; it was finished or deleted */
bit gone[4], fin[4];
byte crashes;

#ifdef M_ROB
#define ALIVE(o) 0
#define SWEEPS 1
#else
#define ALIVE(o) (!gone[o])
#define SWEEPS (crashes>0)
#endif
#define COUNTS(r) (ST(H[REC(r)])!=FREE && ST(H[REC(r)])!=SETTLED && ST(H[REC(r)])!=RETIRING && LIFE(H[REC(r)])==RLIFE(r))
#ifdef M_STICKY
#define UNFINISHED(r) ((r)!=0)
#else
#define UNFINISHED(r) ((r)!=0 && COUNTS(r))
#endif
#define INDEXED(i) (LIFE(H[i])!=0 && (X[0]==REF(LIFE(H[i]),i) || X[1]==REF(LIFE(H[i]),i)))
#define WORKING(i) (INDEXED(i) && COUNTS(REF(LIFE(H[i]),i)))
#define CLEAN i=0; k=0; r=0; h=0; b=0

proctype Actor(byte me) {
  byte n, i, k, r; short h, b;
  { skip;
next:
    atomic { CLEAN;
      if :: n<OPS -> n++; if :: i=0 :: i=1 fi; if :: k=0 :: k=1 fi;
              if :: goto launch :: goto work :: goto delete :: SWEEPS -> goto sweep fi
         :: n=0; fin[me]=1; goto out fi };
launch:
    atomic { r=X[k]; if :: r!=0 -> goto next :: else fi };                                   /* index.entry: it is there already */
    atomic { h=H[i]; if :: ST(h)!=FREE -> goto next :: else fi };                            /* alloc.header */
    atomic { if :: H[i]==h -> b=HD(NEW,me,0,LIFE(h)+1); H[i]=b; charged[i]=0; accepted[i]=0; done[i]=0; h=0
                :: else -> goto next fi };                                                   /* alloc */
    key[i]=k;                                                                                /* the payload */
#ifdef M_CHARGELATE
    goto aim;
#endif
charge:
    atomic { r=cell; if :: r==0 -> goto take :: else fi };                                   /* user.word */
    atomic { if :: UNFINISHED(r) -> r=0; goto free :: else fi };                             /* load.header: ErrLimit */
take:
    atomic { if :: cell==r -> cell=REF(LIFE(b),i); charged[i]=1; r=0 :: else -> goto charge fi };   /* user.word */
#ifdef M_CHARGELATE
    goto post;
#endif
aim:
#ifdef M_NOAIM
    skip;
#else
    atomic { assert(H[i]==b); b=HD(NEW,me,1,LIFE(b)); H[i]=b };                              /* aim */
#endif
#ifdef M_POSTFIRST
    atomic { assert(H[i]==b); b=HD(POSTED,me,1,LIFE(b)); H[i]=b };
#endif
insert:
    atomic { if
#ifdef M_BLINDINSERT
             :: true ->
#else
             :: X[k]==0 ->
#endif
                  assert(X[k]==0 || done[REC(X[k])]);       /* unique: an accepted one is not pushed out */
                  assert(!WORKING(0) && !WORKING(1));       /* the limit */
                  X[k]=REF(LIFE(b),i); accepted[i]=1                                         /* index.insert */
#ifndef M_BLINDINSERT
             :: else -> goto free
#endif
             fi };
#ifdef M_POSTFIRST
    goto next;
#endif
#ifdef M_CHARGELATE
    goto charge;
#endif
post:
    atomic { assert(H[i]==b); H[i]=HD(POSTED,me,1,LIFE(b)); goto next };                     /* post */

/* arena.release: retire, out of the index, free */
free:
    atomic { assert(H[i]==b); b=HD(RETIRING,me,0,LIFE(b)); H[i]=b };                         /* retire.own */
remove:
    atomic { assert(H[i]==b); k=key[i]; if :: X[k]==REF(LIFE(b),i) -> X[k]=0; done[i]=1 :: else fi };   /* index.delete */
    atomic { assert(H[i]==b); assert(!INDEXED(i)); H[i]=HD(FREE,0,0,LIFE(b)); goto next };   /* free */

work:                               /* a worker takes it, and finishes it */
    atomic { h=H[i]; if :: ST(h)!=POSTED -> goto next :: else fi };                          /* ring.header */
    atomic { if :: H[i]==h -> assert(INDEXED(i)); b=HD(OWNED,me,1,LIFE(h)); H[i]=b; h=0 :: else -> goto next fi };   /* claim */
    atomic { assert(H[i]==b); H[i]=HD(SETTLED,0,0,LIFE(b)); done[i]=1; goto next };          /* settle */

delete:                             /* a finished one is shed */
    atomic { h=H[i]; if :: ST(h)!=SETTLED -> goto next :: else fi };                         /* load.header */
    atomic { if :: H[i]==h -> b=HD(RETIRING,me,0,LIFE(h)); H[i]=b; h=0; goto remove :: else -> goto next fi };   /* retire */

/* arena.sweep, recover */
sweep:
    atomic { h=H[i]; if :: ST(h)==NEW || ST(h)==OWNED || ST(h)==RETIRING -> skip :: else -> goto next fi };   /* scan */
    atomic { if :: ALIVE(OWN(h)) -> goto next :: else fi };                                  /* owner.gone */
    atomic { if :: H[i]!=h -> goto next :: else fi;
      if :: ST(h)==OWNED -> H[i]=HD(POSTED,me,1,LIFE(h)); goto next                          /* sweep.post */
         :: else -> b=HD(ST(h),me,AIM(h),LIFE(h)); H[i]=b; h=0 fi;                           /* sweep.take */
      if :: ST(b)==RETIRING -> goto remove :: else fi };
#ifdef M_NOROLL
    goto free;
#endif
#ifndef M_ALWAYSROLL
    atomic { if :: X[key[i]]!=REF(LIFE(b),i) -> goto free :: else fi };                      /* index.entry: anchored? */
#endif
    atomic { assert(H[i]==b); H[i]=HD((AIM(b) -> POSTED : SETTLED),me,AIM(b),LIFE(b)); goto next }   /* post, or sweep.settle */
  } unless { atomic { gone[me] -> CLEAN; n=0 } };
out: skip
}
#define QUIET(a) (gone[a] || fin[a])
/* Nothing moves any more: one sweep, and what is left is accounted for. */
active proctype auditor() {
  byte i, r;
  d_step { QUIET(1) && QUIET(2) -> fin[3]=1;
    do
    :: i<2 ->
       if :: ST(H[i])==OWNED && gone[OWN(H[i])] -> H[i]=HD(POSTED,3,1,LIFE(H[i]))
          :: ST(H[i])==NEW && gone[OWN(H[i])] && X[key[i]]==REF(LIFE(H[i]),i) ->
#ifdef M_NOROLL
               X[key[i]]=0; H[i]=HD(FREE,0,0,LIFE(H[i]))
#else
               H[i]=HD((AIM(H[i]) -> POSTED : SETTLED),3,AIM(H[i]),LIFE(H[i]))
#endif
          :: ST(H[i])==NEW && gone[OWN(H[i])] && X[key[i]]!=REF(LIFE(H[i]),i) -> H[i]=HD(FREE,0,0,LIFE(H[i]))
          :: ST(H[i])==RETIRING && gone[OWN(H[i])] ->
               if :: X[key[i]]==REF(LIFE(H[i]),i) -> X[key[i]]=0; done[i]=1 :: else fi; H[i]=HD(FREE,0,0,LIFE(H[i]))
          :: else fi;
       assert(ST(H[i])==FREE || ST(H[i])==POSTED || ST(H[i])==SETTLED);   /* nobody dead owns anything */
       assert(!accepted[i] || done[i] || ST(H[i])==POSTED);               /* accepted: posted in the end */
       assert((ST(H[i])!=FREE) == INDEXED(i));                            /* nothing leaked, nothing without its entry */
       i++
    :: else -> break
    od;
    r=cell;
    assert(!UNFINISHED(r) || ST(H[REC(r)])==POSTED)                       /* the cell of a dead launch counts as free */
  }
}
active proctype killer() {
endk: do :: atomic { crashes<CRASHES && !fin[3] && !QUIET(crashes+1) -> gone[crashes+1]=1; crashes++ } od
}
init { atomic { run Actor(1); run Actor(2) } }
