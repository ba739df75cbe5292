/* Reads lines of numbers, or ids, and prints what the model makes of each. Without input it tests itself. */
#include <stdio.h>
#include <string.h>

#include "model.h"

int main(int argc, char **argv) {
  model_state state;
  float y[MODEL_OUTPUTS];
  int i;
  if (argc > 1 && strcmp(argv[1], "--test") == 0) {
    const int failed = model_selftest();
    printf("self-test %s, a state of %u bytes\n", failed ? "failed" : "passed", (unsigned)sizeof state);
    return failed;
  }
  model_reset(&state);
  for (;;) {
#ifdef MODEL_VOCABULARY
    int id;
    if (scanf("%d", &id) != 1) break;
    if (!model_step(&state, id, y)) {
      fprintf(stderr, "expected an id from 0 to %d, got %d\n", MODEL_VOCABULARY - 1, id);
      return 1;
    }
#else
    float x[MODEL_INPUTS];
    for (i = 0; i < MODEL_INPUTS && scanf("%f", &x[i]) == 1; ++i) {
    }
    if (i < MODEL_INPUTS) break;
    model_step(&state, x, y);
#endif
    for (i = 0; i < MODEL_OUTPUTS; ++i) printf(i > 0 ? " %.6g" : "%.6g", (double)y[i]);
    printf("\n");
  }
  return 0;
}
