#include "greet.h"
int main(void) { return alpha(1) + beta(2) + epsilon(3) + delta(4) > 0 ? 0 : 1; }
