"""From a function to machine code: Numba without what is for nothing here, and what makes one name serve Python and @njit.

jit.py              Numba's options, and kernels; shared.py: functions compiled once a dtype and called by address
entry.py            what Python calls in front of compiled code; boxing.py: how arrays and ints come into it
cache.py            compiled code on disk; interrupts.py: Ctrl-C amid it
calls.py            code and memory by a name or an address, and the floating-point mode
lean.py             what Numba need not do: passes; answers.py: questions on types; linking.py: LLVM's own part;
                    lowering.py: to LLVM's code, with direct.py for calls and walks.py for loops
private.py          what these use of Numba's that it promises to nobody
"""
