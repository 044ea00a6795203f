// bench.go - what bench.h is for C: clocks, the lap loop, checks and the output line.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const nsPerLap = 100e6

func init() { fmt.Println("version", runtime.Version()) }

// The process's CPU time on one P, wall time on more: one P may still use several threads.
func clock() float64 {
	if runtime.GOMAXPROCS(0) > 1 {
		return wall()
	}
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

var start = time.Now()

func wall() float64 { return float64(time.Since(start)) }

func check(right bool, what string) {
	if !right {
		fmt.Fprintln(os.Stderr, "wrong:", what)
		os.Exit(1)
	}
}

func say(figure string, value float64, unit string) {
	fmt.Println(figure, strconv.FormatFloat(value, 'g', 5, 64), unit)
}

func bench(figure string, clock func() float64, run func(steps int)) {
	for steps := 2000; ; {
		begin := clock()
		run(steps)
		took := clock() - begin
		if took >= nsPerLap {
			say(figure, took/float64(steps), "ns")
			return
		}
		if took > nsPerLap/8 {
			steps *= 4
		} else {
			steps *= 8
		}
	}
}

type cores [128]byte

func affinity(call uintptr, set *cores) {
	syscall.RawSyscall(call, 0, uintptr(len(set)), uintptr(unsafe.Pointer(set)))
}

var may = func() (all cores) {
	affinity(syscall.SYS_SCHED_GETAFFINITY, &all)
	return
}()

// Wire the calling goroutine to its thread, and that to the first or the last core of the process.
func keepCore(first bool) {
	var one cores
	core := -1
	runtime.LockOSThread()
	for i := 0; i < 8*len(may); i++ {
		if may[i/8]>>(i%8)&1 == 1 && (core < 0 || !first) {
			core = i
		}
	}
	one[core/8] = 1 << (core % 8)
	affinity(syscall.SYS_SCHED_SETAFFINITY, &one)
}

// VmRSS and VmPTE, in bytes.
func memory() (bytes float64) {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if f := strings.Fields(line); len(f) == 3 && (f[0] == "VmRSS:" || f[0] == "VmPTE:") {
			kib, _ := strconv.ParseFloat(f[1], 64)
			bytes += kib * 1024
		}
	}
	return
}
