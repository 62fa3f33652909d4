/*
 * take.h - what it means to take one request out of bytes that came over a socket. Pure.
 *
 * Every protocol that MTAs speak to us has a function of this shape: it looks for one request at
 * the start of `bytes`, allocates nothing, and may be called again with the same bytes and more
 * behind them: how the bytes were cut on their way never changes the outcome. It never looks beyond
 * `size`, and the bytes need no NUL. Any thread.
 */
#ifndef MXWARD_WIRE_TAKE_H
#define MXWARD_WIRE_TAKE_H

enum take_status {
    TAKE_WHOLE, /* the request is filled, *used bytes are done with; it may still be nonsense */
    TAKE_MORE,  /* not all there yet; *used is 0 */
    TAKE_LOST,  /* nothing behind this can be read: close; *used is 0 */
};

#endif
