/* The model's functions, and memory for one state, for JavaScript. */
#include "model.h"

#define EXPORT(name) __attribute__((export_name(name)))

static model_state state;
static float y[MODEL_OUTPUTS];

EXPORT("selftest") int selftest(void) { return model_selftest(); }
EXPORT("reset") void reset(void) { model_reset(&state); }
EXPORT("outputs") const float *outputs(void) { return y; }
#ifdef MODEL_VOCABULARY
EXPORT("step") int step(int id) { return model_step(&state, id, y); }
#else
static float x[MODEL_INPUTS];
EXPORT("inputs") float *inputs(void) { return x; }
EXPORT("step") void step(void) { model_step(&state, x, y); }
#endif
