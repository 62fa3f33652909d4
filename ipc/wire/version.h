/* version.h - what this is, as `status`, `--version` and the welcome on the socket say it. */
#ifndef MXWARD_WIRE_VERSION_H
#define MXWARD_WIRE_VERSION_H

#define MXWARD_VERSION "0.1.0"

#endif
