/* Index: index.go, buckets.go, lookup.go, with retiring and sweep (records.go, sweep.go).
 *
 * One bucket with two places, two records, two keys, chosen at each launch: of one key,
 * inserts compete; of two, both places are in use. An insert may choose any place that
 * it found empty. Actors launch (new, key, insert, settle), delete (retire, remove, free),
 * look up, and sweep; each dies before any step.
 */
#ifndef OPS
#define OPS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define FREE 0
#define NEW 1
#define SETTLED 2
#define RETIRING 3
#define HD(st,own,life) ((life)*16+(own)*4+(st))               /* header */
#define ST(h) ((h)&3)
#define OWN(h) (((h)>>2)&3)
#define LIFE(h) ((h)>>4)
#define IDLE 0
#define INS 1
#define DEL 2
#define CT(ver,op,place,rec) ((ver)*16+(op)*4+(place)*2+(rec)) /* control */
#define OP(c) (((c)>>2)&3)
#define PLACE(c) (((c)>>1)&1)
#define REC(c) ((c)&1)
#define VER(c) ((c)>>4)
#define FULL 1024
#define ENT(life,rec) (FULL+(life)*2+(rec))                    /* entry in use; else the version that emptied it */

short H[2], E[2], C;
bit K[2];                           /* keys of the records, plain memory of their makers */
bit in[2];                          /* ghost: by the decisions alone */
#define SAME(rec) (in[rec] && K[rec]==key)
#define TWIN(rec) (in[1-(rec)] && K[1-(rec)]==K[rec])
bit gone[4], fin[4];
byte crashes;
#define CLEAN i=0; c=0; e=0; h=0; b=0; r=0; rl=0; p=0; em=0; hret=0; rret=0; key=0

#define toFIND 0                    /* where help returns to */
#define toINSERT 1
#define toINSERTED 2
#define toPLACE 3
#define toREMOVED 4
#define thenFREE 0                  /* where remove and contains return to */
#define thenINSERT 1
#define thenJUDGE 2

proctype Actor(byte me) {
  byte n, i, r, rl, p, em, hret, rret; bit key; short c, e, h, b;
  { skip;
next:
    atomic { CLEAN;
      if :: n<OPS -> n++; if :: i=0 :: i=1 fi;
              if :: goto launch :: goto delete :: goto find :: crashes>0 -> goto sweep fi
         :: n=0; fin[me]=1; goto out fi };
launch:
    atomic { h=H[i]; if :: ST(h)==FREE -> b=HD(NEW,me,LIFE(h)+1); H[i]=b; h=0 :: else -> goto next fi };   /* alloc */
    atomic { assert(H[i]==b); if :: K[i]=0 :: K[i]=1 fi };                                     /* the owner writes the key */

insert:
    atomic { r=0; rl=0; p=9; em=9; c=C; if :: OP(c)!=IDLE -> hret=toINSERT; goto help :: else fi };   /* index.control */
    atomic { e=E[0]; if :: e<FULL -> em=0 :: else fi };                                        /* index.entry */
    atomic { if :: e>=FULL && K[e&1]==K[i] -> p=0; r=e&1; rl=(e-FULL)/2 :: else fi; e=0 };     /* the key of its record, read later */
#ifdef M_STOPATEMPTY
    atomic { if :: em==0 -> goto looked :: else fi };
#endif
    atomic { e=E[1]; if :: e<FULL -> if :: em=1 :: em==0 fi :: else fi };                      /* index.entry */
    atomic { if :: e>=FULL && p==9 && K[e&1]==K[i] -> p=1; r=e&1; rl=(e-FULL)/2 :: else fi; e=0 };
looked:
    atomic { if :: C!=c -> goto insert :: p<2 -> goto exists :: else assert(em<2) fi };        /* index.again */
#ifdef M_BLINDINSERT
    atomic { c=CT(VER(C)+1,INS,em,i); C=c;
#else
    atomic { if :: C!=c -> goto insert :: else fi; c=CT(VER(c)+1,INS,em,i); C=c;               /* index.insert */
#endif
             assert(!in[i] && !TWIN(i));                            /* the key is unique */
             in[i]=1; hret=toINSERTED; goto help };
exists:
    atomic { h=H[r]; if :: ST(h)==FREE || LIFE(h)!=rl -> goto insert                           /* index.header */
                        :: ST(h)==RETIRING && LIFE(h)==rl -> rret=thenINSERT; h=0; goto remove
                        :: else -> h=0; goto giveup fi };
giveup:                             /* release: retire first */
    atomic { assert(H[i]==b); b=HD(RETIRING,me,LIFE(b)); H[i]=b; r=i; rl=LIFE(b); rret=thenFREE; goto remove };   /* retire.own */
inserted:
    atomic { assert(H[i]==b); H[i]=HD(SETTLED,0,LIFE(b)); goto next };                         /* settle */

delete:
    atomic { h=H[i]; if :: ST(h)!=SETTLED -> goto next :: else fi };                           /* load.header */
    atomic { if :: H[i]!=h -> goto next :: else -> b=HD(RETIRING,me,LIFE(h)); H[i]=b;
             r=i; rl=LIFE(b); rret=thenFREE; h=0
#ifdef M_FREEFIRST
             ; goto free
#endif
             fi };                                                                             /* retire */
remove:                             /* place, then the delete step */
    atomic { p=9; e=0; c=C; if :: OP(c)!=IDLE -> hret=toPLACE; goto help :: else fi };         /* index.control */
    atomic { e=E[0]; if :: e==ENT(rl,r) -> p=0 :: else fi; e=0 };                              /* index.entry */
    atomic { e=E[1]; if :: e==ENT(rl,r) -> p=1 :: else fi; e=0 };                              /* index.entry */
    atomic { if :: C!=c -> goto remove                                                         /* index.again */
                :: C==c && (p==9 || rret==thenJUDGE) -> goto removed
                :: else fi };
    atomic { if :: C!=c -> goto remove :: else fi; c=CT(VER(c)+1,DEL,p,r); C=c;                /* index.delete */
             assert(in[r]); in[r]=0; hret=toREMOVED; goto help };
removed:
    atomic { c=0; e=0; h=0; r=0; rl=0;
      if :: rret==thenINSERT -> goto insert
         :: rret==thenJUDGE -> if :: p<2 -> goto inserted :: else -> goto giveup fi
         :: else fi };
free:
    atomic { assert(H[i]==b); assert(!in[i] && OP(C)!=INS || REC(C)!=i && !in[i]);             /* free: not in the index */
             H[i]=HD(FREE,0,LIFE(b)); goto next };

find:
    atomic { p=9; r=0; key=i; c=C; if :: OP(c)!=IDLE -> hret=toFIND; goto help :: else fi };   /* index.control */
    atomic { e=E[0] };                                                                         /* index.entry */
    atomic { if :: e>=FULL && K[e&1]==key -> p=0; r=e&1 :: else fi; e=0 };
    atomic { e=E[1] };                                                                         /* index.entry */
    atomic { if :: e>=FULL && K[e&1]==key && p==9 -> p=1; r=e&1 :: else fi; e=0 };
#ifndef M_NOAGAIN
    atomic { if :: C!=c -> goto find :: else fi;                                               /* index.again */
#else
    atomic {
#endif
             assert(p==9 && !SAME(0) && !SAME(1) || p<2 && SAME(r)); goto next };    /* found and absent are exact */

help:
    atomic { h=H[REC(c)] };                                                                    /* index.header */
    atomic { e=E[PLACE(c)] };                                                                  /* index.entry */
#ifndef M_NOREVALIDATE
    atomic { if :: C!=c -> goto helped :: else fi };                                           /* index.again */
#endif
    atomic { if
             :: OP(c)==INS && e<FULL && E[PLACE(c)]==e -> E[PLACE(c)]=ENT(LIFE(h),REC(c))      /* index.fill */
#ifdef M_UNVERSIONED
             :: OP(c)==DEL && e>=FULL && (e&1)==REC(c) && E[PLACE(c)]==e -> E[PLACE(c)]=0
#else
             :: OP(c)==DEL && e>=FULL && (e&1)==REC(c) && E[PLACE(c)]==e -> E[PLACE(c)]=VER(c) /* index.empty */
#endif
             :: else fi };
    atomic { if :: C==c -> C=CT(VER(c)+1,IDLE,0,0) :: else fi };                               /* index.idle */
helped:
    atomic { c=0; e=0; h=0;
      if :: hret==toFIND -> goto find
         :: hret==toINSERT -> goto insert
         :: hret==toINSERTED -> goto inserted
         :: hret==toPLACE -> goto remove
         :: else -> goto removed fi };

sweep:
    atomic { h=H[i]; if :: ST(h)==FREE || ST(h)==SETTLED || !gone[OWN(h)] -> goto next :: else fi };   /* scan, owner.gone */
    atomic { if :: H[i]!=h -> goto next :: else fi; b=HD(ST(h),me,LIFE(h)); H[i]=b; h=0;       /* sweep.take */
      r=i; rl=LIFE(b);
      if :: ST(b)==RETIRING -> rret=thenFREE; goto remove
#ifdef M_NOCONTAINS
         :: else -> b=HD(RETIRING,me,LIFE(b)); H[i]=b; rret=thenFREE; goto free
#else
         :: else -> rret=thenJUDGE; goto remove                     /* isAnchored: the same search */
#endif
      fi }
  } unless { atomic { gone[me] -> CLEAN; n=0 } };
out: skip
}
active proctype auditor() {
  byte k;
  atomic { (gone[1] || fin[1]) && (gone[2] || fin[2]) -> fin[3]=1;
    if :: OP(C)==INS && E[PLACE(C)]<FULL -> E[PLACE(C)]=ENT(LIFE(H[REC(C)]),REC(C)); C=CT(VER(C)+1,IDLE,0,0)
       :: OP(C)==DEL && E[PLACE(C)]>=FULL -> E[PLACE(C)]=VER(C); C=CT(VER(C)+1,IDLE,0,0)
       :: else fi;
    do :: k<2 -> assert(in[k] == (E[0]==ENT(LIFE(H[k]),k) || E[1]==ENT(LIFE(H[k]),k)));   /* entries are what was decided */
                 assert(!in[k] || ST(H[k])!=FREE);
                 assert(E[k]<FULL || in[E[k]&1]);                                         /* nothing came back to life */
                 assert(ST(H[k])!=SETTLED || in[k]);
                 assert(!in[k] || !TWIN(k)); k++                                          /* keys are unique */
       :: else -> break od }
}
active proctype killer() {
endk: do :: atomic { crashes<CRASHES && !fin[3] && !fin[crashes+1] -> gone[crashes+1]=1; crashes++ } od
}
init { atomic { run Actor(1); run Actor(2) } }
