/* The same test on a Cortex-M4 without an operating system: a vector table, and output to the debugger or to QEMU. */
#include "model.h"

enum { WRITE0 = 4, EXIT = 0x18, STOPPED = 0x20026, STEPS = 200 };

static int semihosting(int operation, const void *argument) {
  register int r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void print_number(unsigned long value) {
  char text[12];
  char *at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  semihosting(WRITE0, at);
}

/* SysTick counts down at 25 MHz. With one nanosecond for each instruction, as `qemu -icount shift=0` has it,
   one tick is 40 instructions. */
static volatile unsigned long *const systick = (volatile unsigned long *)0xe000e010;

static unsigned long instructions_of_a_step(void) {
  static model_state state;
  static float y[MODEL_OUTPUTS];
  unsigned long begin;
  int i;
  model_reset(&state);
  systick[1] = 0xffffff;
  systick[2] = 0;
  systick[0] = 5;
  begin = systick[2];
  for (i = 0; i < STEPS; ++i) {
#ifdef MODEL_VOCABULARY
    (void)model_step(&state, i % MODEL_VOCABULARY, y);
#else
    static const float x[MODEL_INPUTS] = {0.5f};
    model_step(&state, x, y);
#endif
  }
  return ((begin - systick[2]) & 0xffffff) * 40 / STEPS;
}

static void reset(void) {
  int failed;
  *(volatile unsigned long *)0xe000ed88 |= 0xfu << 20; /* the floating-point unit on */
  __asm__ volatile("dsb\n isb");
  failed = model_selftest();
  semihosting(WRITE0, failed ? "self-test failed\n" : "self-test passed, ");
  if (!failed) {
    print_number(instructions_of_a_step());
    semihosting(WRITE0, " instructions per step\n");
  }
  semihosting(EXIT, (const void *)(failed ? 0 : STOPPED));
  for (;;) {
  }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {(void *)0x20400000, (void *)reset};
