// Generated from include/radam.h: `make bindings` writes it anew. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.InteropServices;

namespace Radam
{
    internal static unsafe partial class Native
    {
        internal const uint Major = 0, Minor = 2;

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern uint radam_version();

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern byte* radam_version_string();

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern byte* radam_status_string(Status status);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern ulong radam_last_error(IntPtr opt, byte* buf, ulong cap);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_options_init(radam_options* options, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_group_options_init(radam_group_options* options, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_group_options(OptimizerHandle opt, uint group, radam_group_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_group_options(OptimizerHandle opt, uint group, radam_group_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_lr(OptimizerHandle opt, uint group, double lr);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_lr(OptimizerHandle opt, uint group, double* lr);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_weight_decay(OptimizerHandle opt, uint group, double weight_decay);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_weight_decay(OptimizerHandle opt, uint group, double* weight_decay);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_param_init(radam_param* param, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_grad_sums_init(radam_grad_sums* sums, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_measure(OptimizerHandle opt, radam_grad_sums* sums);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_measure_tensor(Dtype grad_dtype, void* grad, ulong len, radam_grad_sums* sums);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_grad_sums_value(radam_grad_sums* sums, double* norm, ulong* nonfinite);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_options_init(radam_step_options* options, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_report_init(radam_step_report* report, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_group_report_init(radam_group_report* report, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_group_report(OptimizerHandle opt, uint group, radam_group_report* report);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_create(radam_options* options, IntPtr* opt);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_free(IntPtr opt);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_stream(OptimizerHandle opt, void* stream);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_add_param_group(OptimizerHandle opt, radam_group_options* options, radam_param* @params, ulong count, uint* group);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_add_params(OptimizerHandle opt, uint group, radam_param* @params, ulong count, uint* first);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_add_param(OptimizerHandle opt, uint group, Dtype dtype, Dtype grad_dtype, void* data, void* grad, ulong len, byte* name, uint* param);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_data(OptimizerHandle opt, uint param, void* data);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_grad(OptimizerHandle opt, uint param, void* grad);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_tensors(OptimizerHandle opt, uint first_param, ulong count, void** data, void** grads);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_param_id(OptimizerHandle opt, byte* name, uint* param);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_param(OptimizerHandle opt, uint param, uint* group, radam_param* description);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern ulong radam_param_name(OptimizerHandle opt, uint param, byte* buf, ulong cap);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_count(OptimizerHandle opt, uint param, ulong* steps);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step(OptimizerHandle opt);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_with(OptimizerHandle opt, radam_step_options* options, radam_step_report* report);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_param(OptimizerHandle opt, uint param, void* grad);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_tensor(OptimizerHandle opt, uint param, void* data, void* grad, radam_step_options* options, radam_step_report* report);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_optimizer_accumulation(OptimizerHandle opt, Toggle on);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_optimizer_accumulation(OptimizerHandle opt, Toggle* on);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_zero_grad(OptimizerHandle opt);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_begin(OptimizerHandle opt, radam_step_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_wave(OptimizerHandle opt, ulong* chunks);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_chunk(OptimizerHandle opt, ulong chunk);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_for(OptimizerHandle opt, ulong budget_ns, ulong* chunks_left);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_end(OptimizerHandle opt, radam_step_report* report);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_step_abort(OptimizerHandle opt);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_frozen(OptimizerHandle opt, uint param, Toggle frozen);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_get_frozen(OptimizerHandle opt, uint param, Toggle* frozen);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_remove_param(OptimizerHandle opt, uint param);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_reset_state(OptimizerHandle opt, uint param);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_set_step_count(OptimizerHandle opt, uint param, ulong steps);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_param_state(OptimizerHandle opt, uint param, State which, void** pointer, Dtype* dtype);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern ulong radam_advice(OptimizerHandle opt, byte* buf, ulong cap);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_update(Dtype dtype, Dtype grad_dtype, Dtype state_dtype, void* param, void* grad, void* exp_avg, void* exp_avg_sq, void* kahan_comp, ulong len, radam_group_options* options, ulong step);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_update_q8(Dtype dtype, Dtype grad_dtype, void* param, void* grad, sbyte* exp_avg, byte* exp_avg_sq, uint* state_scale, void* kahan_comp, ulong len, radam_group_options* options, ulong step);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_save_options_init(radam_save_options* options, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_load_options_init(radam_load_options* options, uint struct_size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_save(OptimizerHandle opt, byte* path);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_save_with(OptimizerHandle opt, byte* path, radam_save_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_save_to_buffer(OptimizerHandle opt, void* buffer, ulong capacity, ulong* size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_load(OptimizerHandle opt, byte* path);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_load_with(OptimizerHandle opt, byte* path, radam_load_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_load_shards(OptimizerHandle opt, byte** paths, ulong count, radam_load_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]
        internal static extern Status radam_load_from_buffer(OptimizerHandle opt, void* buffer, ulong size, radam_load_options* options);
    }
}
