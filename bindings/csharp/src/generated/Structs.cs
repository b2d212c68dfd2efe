// Generated from include/radam.h: `make bindings` writes it anew. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.InteropServices;

namespace Radam
{
    #pragma warning disable 649, 169

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_allocator
    {
        internal IntPtr allocate;
        internal IntPtr release;
        internal void* user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_executor
    {
        internal IntPtr parallel_for;
        internal void* user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_options
    {
        internal uint struct_size;
        internal uint num_threads;
        internal radam_allocator allocator;
        internal radam_executor executor;
        internal ulong parallel_from;
        internal Device device;
        internal int cuda_device;
        internal void* cuda_stream;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_group_options
    {
        internal uint struct_size;
        internal Toggle decouple_wd;
        internal Toggle decouple_lr;
        internal Toggle kahan_sum;
        internal Toggle for_each;
        internal Toggle gradient_release;
        internal Toggle maximize;
        internal Toggle rectify;
        internal Dtype state_dtype;
        internal Toggle master_remainder;
        internal Toggle stochastic_rounding;
        internal Toggle unrectified;
        internal double lr;
        internal double beta1;
        internal double beta2;
        internal double weight_decay;
        internal double eps;
        internal double max_lr;
        internal double rectify_threshold;
        internal ulong seed;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_param
    {
        internal uint struct_size;
        internal Dtype dtype;
        internal Dtype grad_dtype;
        internal Dtype copy_dtype;
        internal ulong len;
        internal void* data;
        internal void* grad;
        internal byte* name;
        internal void* copy;
        internal void* exp_avg;
        internal void* exp_avg_sq;
        internal void* kahan_comp;
        internal ulong tensor_offset;
        internal ulong tensor_len;
        internal void* state_scale;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_grad_sums
    {
        internal uint struct_size;
        internal uint reserved;
        internal fixed long words[72];
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_step_options
    {
        internal uint struct_size;
        internal Toggle skip_nonfinite;
        internal Toggle zero_grad;
        internal Toggle report_norms;
        internal radam_grad_sums* grad_sums;
        internal double grad_scale;
        internal double max_grad_norm;
        internal double max_grad_value;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_step_report
    {
        internal uint struct_size;
        internal int skipped;
        internal ulong nonfinite;
        internal double grad_norm;
        internal double clip_coefficient;
        internal double update_norm;
        internal double param_norm;
        internal ulong params_stepped;
        internal uint threads;
        internal uint reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_group_report
    {
        internal uint struct_size;
        internal int rectified;
        internal ulong step;
        internal double rho;
        internal double rho_inf;
        internal double r;
        internal double effective_lr;
        internal double beta1_hat;
        internal double beta2_hat;
        internal double decay_factor;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_save_options
    {
        internal uint struct_size;
        internal uint reserved;
        internal IntPtr progress;
        internal void* user;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct radam_load_options
    {
        internal uint struct_size;
        internal Toggle strict;
        internal Toggle hyperparameters;
        internal Toggle convert_state;
        internal IntPtr progress;
        internal void* user;
    }

    internal static unsafe class Layouts
    {
        /// <summary>Throws unless structs have the layout that a C compiler for 64-bit machines gives them.</summary>
        internal static void Check()
        {
            Check_radam_allocator();
            Check_radam_executor();
            Check_radam_options();
            Check_radam_group_options();
            Check_radam_param();
            Check_radam_grad_sums();
            Check_radam_step_options();
            Check_radam_step_report();
            Check_radam_group_report();
            Check_radam_save_options();
            Check_radam_load_options();
        }

        private static void Check_radam_allocator()
        {
            radam_allocator at;
            Check("radam_allocator", sizeof(radam_allocator), 24);
            Check("radam_allocator.allocate", (byte*)&at.allocate - (byte*)&at, 0);
            Check("radam_allocator.release", (byte*)&at.release - (byte*)&at, 8);
            Check("radam_allocator.user", (byte*)&at.user - (byte*)&at, 16);
        }

        private static void Check_radam_executor()
        {
            radam_executor at;
            Check("radam_executor", sizeof(radam_executor), 16);
            Check("radam_executor.parallel_for", (byte*)&at.parallel_for - (byte*)&at, 0);
            Check("radam_executor.user", (byte*)&at.user - (byte*)&at, 8);
        }

        private static void Check_radam_options()
        {
            radam_options at;
            Check("radam_options", sizeof(radam_options), 72);
            Check("radam_options.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_options.num_threads", (byte*)&at.num_threads - (byte*)&at, 4);
            Check("radam_options.allocator", (byte*)&at.allocator - (byte*)&at, 8);
            Check("radam_options.executor", (byte*)&at.executor - (byte*)&at, 32);
            Check("radam_options.parallel_from", (byte*)&at.parallel_from - (byte*)&at, 48);
            Check("radam_options.device", (byte*)&at.device - (byte*)&at, 56);
            Check("radam_options.cuda_device", (byte*)&at.cuda_device - (byte*)&at, 60);
            Check("radam_options.cuda_stream", (byte*)&at.cuda_stream - (byte*)&at, 64);
        }

        private static void Check_radam_group_options()
        {
            radam_group_options at;
            Check("radam_group_options", sizeof(radam_group_options), 112);
            Check("radam_group_options.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_group_options.decouple_wd", (byte*)&at.decouple_wd - (byte*)&at, 4);
            Check("radam_group_options.decouple_lr", (byte*)&at.decouple_lr - (byte*)&at, 8);
            Check("radam_group_options.kahan_sum", (byte*)&at.kahan_sum - (byte*)&at, 12);
            Check("radam_group_options.for_each", (byte*)&at.for_each - (byte*)&at, 16);
            Check("radam_group_options.gradient_release", (byte*)&at.gradient_release - (byte*)&at, 20);
            Check("radam_group_options.maximize", (byte*)&at.maximize - (byte*)&at, 24);
            Check("radam_group_options.rectify", (byte*)&at.rectify - (byte*)&at, 28);
            Check("radam_group_options.state_dtype", (byte*)&at.state_dtype - (byte*)&at, 32);
            Check("radam_group_options.master_remainder", (byte*)&at.master_remainder - (byte*)&at, 36);
            Check("radam_group_options.stochastic_rounding", (byte*)&at.stochastic_rounding - (byte*)&at, 40);
            Check("radam_group_options.unrectified", (byte*)&at.unrectified - (byte*)&at, 44);
            Check("radam_group_options.lr", (byte*)&at.lr - (byte*)&at, 48);
            Check("radam_group_options.beta1", (byte*)&at.beta1 - (byte*)&at, 56);
            Check("radam_group_options.beta2", (byte*)&at.beta2 - (byte*)&at, 64);
            Check("radam_group_options.weight_decay", (byte*)&at.weight_decay - (byte*)&at, 72);
            Check("radam_group_options.eps", (byte*)&at.eps - (byte*)&at, 80);
            Check("radam_group_options.max_lr", (byte*)&at.max_lr - (byte*)&at, 88);
            Check("radam_group_options.rectify_threshold", (byte*)&at.rectify_threshold - (byte*)&at, 96);
            Check("radam_group_options.seed", (byte*)&at.seed - (byte*)&at, 104);
        }

        private static void Check_radam_param()
        {
            radam_param at;
            Check("radam_param", sizeof(radam_param), 104);
            Check("radam_param.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_param.dtype", (byte*)&at.dtype - (byte*)&at, 4);
            Check("radam_param.grad_dtype", (byte*)&at.grad_dtype - (byte*)&at, 8);
            Check("radam_param.copy_dtype", (byte*)&at.copy_dtype - (byte*)&at, 12);
            Check("radam_param.len", (byte*)&at.len - (byte*)&at, 16);
            Check("radam_param.data", (byte*)&at.data - (byte*)&at, 24);
            Check("radam_param.grad", (byte*)&at.grad - (byte*)&at, 32);
            Check("radam_param.name", (byte*)&at.name - (byte*)&at, 40);
            Check("radam_param.copy", (byte*)&at.copy - (byte*)&at, 48);
            Check("radam_param.exp_avg", (byte*)&at.exp_avg - (byte*)&at, 56);
            Check("radam_param.exp_avg_sq", (byte*)&at.exp_avg_sq - (byte*)&at, 64);
            Check("radam_param.kahan_comp", (byte*)&at.kahan_comp - (byte*)&at, 72);
            Check("radam_param.tensor_offset", (byte*)&at.tensor_offset - (byte*)&at, 80);
            Check("radam_param.tensor_len", (byte*)&at.tensor_len - (byte*)&at, 88);
            Check("radam_param.state_scale", (byte*)&at.state_scale - (byte*)&at, 96);
        }

        private static void Check_radam_grad_sums()
        {
            radam_grad_sums at;
            Check("radam_grad_sums", sizeof(radam_grad_sums), 584);
            Check("radam_grad_sums.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_grad_sums.reserved", (byte*)&at.reserved - (byte*)&at, 4);
            Check("radam_grad_sums.words", (byte*)at.words - (byte*)&at, 8);
        }

        private static void Check_radam_step_options()
        {
            radam_step_options at;
            Check("radam_step_options", sizeof(radam_step_options), 48);
            Check("radam_step_options.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_step_options.skip_nonfinite", (byte*)&at.skip_nonfinite - (byte*)&at, 4);
            Check("radam_step_options.zero_grad", (byte*)&at.zero_grad - (byte*)&at, 8);
            Check("radam_step_options.report_norms", (byte*)&at.report_norms - (byte*)&at, 12);
            Check("radam_step_options.grad_sums", (byte*)&at.grad_sums - (byte*)&at, 16);
            Check("radam_step_options.grad_scale", (byte*)&at.grad_scale - (byte*)&at, 24);
            Check("radam_step_options.max_grad_norm", (byte*)&at.max_grad_norm - (byte*)&at, 32);
            Check("radam_step_options.max_grad_value", (byte*)&at.max_grad_value - (byte*)&at, 40);
        }

        private static void Check_radam_step_report()
        {
            radam_step_report at;
            Check("radam_step_report", sizeof(radam_step_report), 64);
            Check("radam_step_report.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_step_report.skipped", (byte*)&at.skipped - (byte*)&at, 4);
            Check("radam_step_report.nonfinite", (byte*)&at.nonfinite - (byte*)&at, 8);
            Check("radam_step_report.grad_norm", (byte*)&at.grad_norm - (byte*)&at, 16);
            Check("radam_step_report.clip_coefficient", (byte*)&at.clip_coefficient - (byte*)&at, 24);
            Check("radam_step_report.update_norm", (byte*)&at.update_norm - (byte*)&at, 32);
            Check("radam_step_report.param_norm", (byte*)&at.param_norm - (byte*)&at, 40);
            Check("radam_step_report.params_stepped", (byte*)&at.params_stepped - (byte*)&at, 48);
            Check("radam_step_report.threads", (byte*)&at.threads - (byte*)&at, 56);
            Check("radam_step_report.reserved", (byte*)&at.reserved - (byte*)&at, 60);
        }

        private static void Check_radam_group_report()
        {
            radam_group_report at;
            Check("radam_group_report", sizeof(radam_group_report), 72);
            Check("radam_group_report.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_group_report.rectified", (byte*)&at.rectified - (byte*)&at, 4);
            Check("radam_group_report.step", (byte*)&at.step - (byte*)&at, 8);
            Check("radam_group_report.rho", (byte*)&at.rho - (byte*)&at, 16);
            Check("radam_group_report.rho_inf", (byte*)&at.rho_inf - (byte*)&at, 24);
            Check("radam_group_report.r", (byte*)&at.r - (byte*)&at, 32);
            Check("radam_group_report.effective_lr", (byte*)&at.effective_lr - (byte*)&at, 40);
            Check("radam_group_report.beta1_hat", (byte*)&at.beta1_hat - (byte*)&at, 48);
            Check("radam_group_report.beta2_hat", (byte*)&at.beta2_hat - (byte*)&at, 56);
            Check("radam_group_report.decay_factor", (byte*)&at.decay_factor - (byte*)&at, 64);
        }

        private static void Check_radam_save_options()
        {
            radam_save_options at;
            Check("radam_save_options", sizeof(radam_save_options), 24);
            Check("radam_save_options.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_save_options.reserved", (byte*)&at.reserved - (byte*)&at, 4);
            Check("radam_save_options.progress", (byte*)&at.progress - (byte*)&at, 8);
            Check("radam_save_options.user", (byte*)&at.user - (byte*)&at, 16);
        }

        private static void Check_radam_load_options()
        {
            radam_load_options at;
            Check("radam_load_options", sizeof(radam_load_options), 32);
            Check("radam_load_options.struct_size", (byte*)&at.struct_size - (byte*)&at, 0);
            Check("radam_load_options.strict", (byte*)&at.strict - (byte*)&at, 4);
            Check("radam_load_options.hyperparameters", (byte*)&at.hyperparameters - (byte*)&at, 8);
            Check("radam_load_options.convert_state", (byte*)&at.convert_state - (byte*)&at, 12);
            Check("radam_load_options.progress", (byte*)&at.progress - (byte*)&at, 16);
            Check("radam_load_options.user", (byte*)&at.user - (byte*)&at, 24);
        }

        private static void Check(string what, long found, long right)
        {
            if (found != right)
                throw new RadamException(Status.Mismatch, $"{what} is at or has {found} bytes; in C it is {right}");
        }
    }
}
