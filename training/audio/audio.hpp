// Recordings in and out, their windows, and the loss over them: all of unroll::audio.
#pragma once

#include "training/audio/recording_windows.hpp"
#include "training/audio/streamed_esr_loss.hpp"
#include "training/audio/wav.hpp"
