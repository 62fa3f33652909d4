/*
 * table_life.pml - the life of a table's files: who has the lock, which names there are, what
 * readers find; with daemons killed at any step. For spin; tests/table_life runs it.
 *
 * tests/table_model_test.c checks what is read within a file, on the code itself. This is about
 * what lies between the files, where no memory model helps, and what the code does by system calls:
 * lock, look for the newest, make table.new, rename, tell the older ones their successor, unlink.
 * It is a model written by hand after shm/attach.c, shm/table_file.c and shm/reader.c: it shows
 * that the order of these steps is right, not that the code takes them in that order.
 *
 * Either a daemon, started again after every death, and a reader; or two daemons (TWO_DAEMONS).
 * Deaths take place between any two steps, DEATHS of them; names are read one by one (POSIX promises
 * no more; Linux reads so few under the directory's lock). What must hold:
 *
 *   - no file ever has two writers (the lock is released by death alone);
 *   - what has a name is complete, and so is what a reader has mapped;
 *   - a reader who refreshes while a daemon runs and nothing changes has the daemon's file
 *     afterwards: no file is ever left behind without a successor, also not by those who died;
 *   - a reader who opens finds a file, if one has had a name all the time and it took him fewer
 *     successions than attempts.
 *
 * Mutants (-D...): NO_LOCK, NAME_FIRST (named before it is complete), UNLINK_FIRST (before the
 * successor is told), ONLY_LAST (tells and unlinks only the file before), NO_RETRY (a reader that
 * sees no name at all gives up).
 */
#ifndef GENERATIONS
#define GENERATIONS 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define ATTEMPTS 4 /* OPEN_ATTEMPTS of reader.c */

bool named[GENERATIONS + 1];
bool complete[GENERATIONS + 1];
byte successor[GENERATIONS + 1];
byte writers[GENERATIONS + 1]; /* that have it open to write */
byte lock;                     /* who has it; 0: nobody */
byte running;                  /* generation of the daemon that runs; 0: none */
byte changes;                  /* of names and successors, while the reader looks; at most ATTEMPTS */
byte deaths = DEATHS;

#define CHANGED changes = (changes < ATTEMPTS -> changes + 1 : changes)

/* Before every step somebody may be killed. */
#define MAY_DIE                                  \
    if                                           \
    :: deaths > 0 -> deaths--; goto dead         \
    :: true                                      \
    fi

proctype daemon(byte me)
{
    byte own, g;

starting:
    own = 0;
    MAY_DIE;
#ifndef NO_LOCK
    atomic {
        if
        :: lock != 0 -> goto busy
        :: else -> lock = me
        fi
    }
#endif
    MAY_DIE;
    d_step { /* names change under the lock alone */
        g = GENERATIONS;
        do
        :: g > 0 && !named[g] -> g--
        :: else -> break
        od;
        own = g;
        g = 0
    }
    if
    :: own > 0 && successor[own] == 0 -> /* the same size: go on with it */
        MAY_DIE;
        writers[own]++
    :: own < GENERATIONS -> /* none, another size, or not sound: make the next */
        own++;
        MAY_DIE;
        writers[own]++;
#ifdef NAME_FIRST
        atomic { named[own] = true; CHANGED }
        MAY_DIE;
        complete[own] = true;
#else
        complete[own] = true; /* table.new; after a death it is thrown away */
        MAY_DIE;
        atomic { named[own] = true; CHANGED }
#endif
    :: own == GENERATIONS -> goto end /* the model's, not the table's */
    fi;
    assert(writers[own] == 1);
    MAY_DIE;
    g = 1;
    do
    :: g < own ->
        if
#ifdef ONLY_LAST
        :: named[g] && g == own - 1 ->
#else
        :: named[g] ->
#endif
#ifdef UNLINK_FIRST
            atomic { named[g] = false; CHANGED }
            MAY_DIE;
            atomic { successor[g] = own; CHANGED }
#else
            atomic { successor[g] = own; CHANGED }
            MAY_DIE;
            atomic { named[g] = false; CHANGED }
#endif
            MAY_DIE
        :: else
        fi;
        g++
    :: else -> break
    od;
    running = own;
    MAY_DIE; /* or it runs for ever */
    goto end;

dead:
    skip;
    d_step {
        if
        :: running == own -> running = 0
        :: else
        fi;
        if
        :: own > 0 && writers[own] > 0 -> writers[own]--
        :: else
        fi;
        if
        :: own > 0 && !named[own] -> complete[own] = false
        :: else
        fi;
        if
        :: lock == me -> lock = 0
        :: else
        fi;
        own = 0;
        g = 0
    }
    goto starting;

busy: /* -EBUSY: tries again when the other has died */
    lock == 0;
    goto starting;

end:
    false
}

byte mapped; /* the reader's; 0: none */
byte found;  /* a generation to map */
byte at, attempt;

/* table_file_newest, as readdir does it: names come and go meanwhile. Either order. */
inline scan()
{
    found = 0;
    if
    :: at = 1;
        do
        :: at <= GENERATIONS -> found = (named[at] -> at : found); at++
        :: else -> break
        od
    :: at = GENERATIONS;
        do
        :: at > 0 -> found = (named[at] && at > found -> at : found); at--
        :: else -> break
        od
    fi;
    at = 0
}

/* map_newest: `found` is 0 if there is none. */
inline open_newest()
{
    found = 0;
    attempt = 0;
    do
    :: found == 0 && attempt < ATTEMPTS ->
        scan();
#ifdef NO_RETRY
        if
        :: found == 0 -> break
        :: else
        fi;
#endif
        if
        :: named[found] || found == 0
        :: else -> found = 0 /* its name is gone */
        fi;
        attempt++
    :: else -> break
    od;
    attempt = 0
}

proctype reader()
{
    byte settled, hops;

    do
    :: mapped == 0 ->
        d_step { changes = 0; settled = running }
        open_newest();
        assert(found > 0 || settled == 0 || changes == ATTEMPTS);
        d_step { mapped = found; found = 0; settled = 0 }
    :: mapped > 0 ->
        assert(complete[mapped]);
        d_step { changes = 0; settled = running; found = successor[mapped] }
        do
        :: found > 0 && hops < GENERATIONS ->
            if
            :: named[found]
            :: else -> open_newest()
            fi;
            mapped = (found > 0 -> found : mapped);
            found = (found > 0 -> successor[mapped] : 0);
            hops++
        :: else -> break
        od;
        atomic {
            assert(settled == 0 || settled != running || changes > 0 || mapped == running);
            hops = 0;
            found = 0;
            settled = 0
        }
    od
}

init
{
    atomic {
        run daemon(1);
#ifdef TWO_DAEMONS
        run daemon(2)
#else
        run reader()
#endif
    }
}
