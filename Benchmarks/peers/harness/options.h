// Command line: pairs of --name value.
#pragma once
#include "peer.h"

// Fills `options`, and refuses what makes no sense.
void parse_options(int count, char **arguments);
