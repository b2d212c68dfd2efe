// State, and checkpoints. SPDX: MIT OR Apache-2.0
using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using static Radam.RadamException;

namespace Radam
{
    public sealed unsafe partial class Optimizer
    {
        // ---- State

        /// <summary>The number of steps that a parameter has made.</summary>
        public long GetStepCount(ParamId param)
        {
            ulong steps;
            Check(Native.radam_step_count(opt, param.Value, &steps));
            return (long)steps;
        }

        /// <summary>Sets the number of steps that a parameter has made.</summary>
        public void SetStepCount(ParamId param, long steps)
        {
            if (steps < 0)
                throw new RadamException(Status.InvalidArgument, $"steps is {steps}; it must not be negative");
            Check(Native.radam_set_step_count(opt, param.Value, (ulong)steps));
        }

        /// <summary>Whether steps skip a parameter.</summary>
        public bool IsFrozen(ParamId param)
        {
            Toggle frozen;
            Check(Native.radam_get_frozen(opt, param.Value, &frozen));
            return frozen == Toggle.On;
        }

        /// <summary>Freezes or unfreezes a parameter.</summary>
        public void SetFrozen(ParamId param, bool frozen) =>
            Check(Native.radam_set_frozen(opt, param.Value, Toggles.Set(frozen)));

        /// <summary>Resets the state of a parameter to that before its first step.</summary>
        public void ResetState(ParamId param)
        {
            GetParam(param); // throws if there is no such parameter; its id could stand for all
            Check(Native.radam_reset_state(opt, param.Value));
        }

        /// <summary>Resets the state of all parameters.</summary>
        public void ResetState() => Check(Native.radam_reset_state(opt, uint.MaxValue));

        /// <summary>Where an array of a parameter's state is, and its type; none if the parameter has no such array. It may
        /// be read and written between calls, until the parameter is removed, the optimizer disposed or the type of the
        /// state changed. GetState and SetState are safer.</summary>
        public Tensor GetStateAddress(ParamId param, State which)
        {
            void* address;
            Dtype dtype;
            Check(Native.radam_param_state(opt, param.Value, which, &address, &dtype));
            if (address == null)
                return Tensor.None;
            return new Tensor((IntPtr)address, Elements.LengthOfState(which, shapes[param].Length),
                              Elements.OfState(which, dtype));
        }

        /// <summary>A copy of an array of a parameter's state; null if it has no such array. T is the type of the state:
        /// float, double, Float16 or BFloat16; short for State.MasterRemainder. With Dtype.Q8, it is sbyte for State.ExpAvg,
        /// byte for State.ExpAvgSq, and uint for State.StateScale, which has an element for each block of 128.</summary>
        public T[] GetState<T>(ParamId param, State which) where T : struct
        {
            T[] copy = null;
            WithState(param, which, Elements.DtypeOf<T>(), state =>
            {
                copy = new T[state.Length];
                Move(state, copy, false);
            });
            return copy;
        }

        /// <summary>Overwrites an array of a parameter's state, between steps.</summary>
        public void SetState<T>(ParamId param, State which, T[] values) where T : struct
        {
            CheckNotNull(values, nameof(values));
            long length = Elements.LengthOfState(which, shapes[param].Length);
            if (values.Length != length)
                throw new RadamException(Status.InvalidArgument,
                    $"values has {values.Length} elements; {which} of parameter {param} has {length}");
            bool isFound = false;
            WithState(param, which, Elements.DtypeOf<T>(), state =>
            {
                isFound = true;
                Move(state, values, true);
            });
            if (!isFound && values.Length > 0)
                throw new RadamException(Status.InvalidState, $"which is {which}; parameter {param} has no such state");
        }

        /// <summary>Keeps the optimizer from being freed while action uses an array of it.</summary>
        private void WithState(ParamId param, State which, Dtype element, Action<Tensor> action)
        {
            using (opt.Hold())
            {
                Tensor state = GetStateAddress(param, which);
                if (state.IsNone)
                    return;
                if (state.Element != element)
                    throw Shape.WrongDtype("the state", element, state.Element, $"parameter {param}");
                action(state);
            }
        }

        private static void Move<T>(in Tensor state, T[] array, bool toState) where T : struct
        {
            GCHandle pin = GCHandle.Alloc(array, GCHandleType.Pinned);
            try
            {
                long bytes = state.Length * Elements.Size(state.Element);
                void* at = (void*)pin.AddrOfPinnedObject(), stateAt = (void*)state.Address;
                Buffer.MemoryCopy(toState ? at : stateAt, toState ? stateAt : at, bytes, bytes);
            }
            finally
            {
                pin.Free();
            }
        }

        // ---- Checkpoints

        /// <summary>Saves state, step counts and options to a file, whole or not at all. The parameters themselves are the
        /// caller's to save.</summary>
        public void Save(string path, SaveOptions options = null)
        {
            fixed (byte* bytes = Texts.Required(path, "path"))
            {
                byte* at = bytes;
                WithProgress(options, (progress, user) =>
                {
                    radam_save_options raw;
                    Check(Native.radam_save_options_init(&raw, (uint)sizeof(radam_save_options)));
                    raw.progress = progress;
                    raw.user = user;
                    return Native.radam_save_with(opt, at, &raw);
                });
            }
        }

        /// <summary>What Save would write.</summary>
        public byte[] SaveToBuffer()
        {
            ulong size;
            Check(Native.radam_save_to_buffer(opt, null, 0, &size));
            var buffer = new byte[size];
            fixed (byte* at = buffer)
                Check(Native.radam_save_to_buffer(opt, at, size, &size));
            return buffer;
        }

        /// <summary>Loads a checkpoint into an optimizer that has its groups and parameters.</summary>
        public void Load(string path, LoadOptions options = null)
        {
            fixed (byte* bytes = Texts.Required(path, "path"))
            {
                byte* at = bytes;
                LoadWith(options, raw => Native.radam_load_with(opt, at, raw));
            }
        }

        /// <summary>Loads what SaveToBuffer or Save has written.</summary>
        public void LoadFromBuffer(byte[] buffer, LoadOptions options = null)
        {
            CheckNotNull(buffer, nameof(buffer));
            fixed (byte* bytes = buffer)
            {
                byte* at = bytes;
                LoadWith(options, raw => Native.radam_load_from_buffer(opt, at, (ulong)buffer.LongLength, raw));
            }
        }

        /// <summary>Loads the checkpoints of several processes, each of which saved its own shards.</summary>
        public void LoadShards(IEnumerable<string> paths, LoadOptions options = null)
        {
            CheckNotNull(paths, nameof(paths));
            byte[][] texts = paths.Select((path, i) => Texts.Required(path, $"paths[{i}]")).ToArray();
            if (texts.Length == 0)
                throw new RadamException(Status.InvalidArgument, "paths is empty; there must be at least one path");
            GCHandle[] pins = Array.ConvertAll(texts, text => GCHandle.Alloc(text, GCHandleType.Pinned));
            try
            {
                IntPtr[] addresses = Array.ConvertAll(pins, pin => pin.AddrOfPinnedObject());
                fixed (IntPtr* ats = addresses)
                {
                    var at = (byte**)ats;
                    LoadWith(options, raw => Native.radam_load_shards(opt, at, (ulong)addresses.Length, raw));
                }
            }
            finally
            {
                foreach (GCHandle pin in pins)
                    pin.Free();
            }
        }

        private delegate Status Loading(radam_load_options* options);

        private void LoadWith(LoadOptions options, Loading load)
        {
            WithProgress(options, (progress, user) =>
            {
                radam_load_options raw;
                Check(Native.radam_load_options_init(&raw, (uint)sizeof(radam_load_options)));
                raw.strict = Toggles.Set(options?.Strict);
                raw.hyperparameters = Toggles.Set(options?.Hyperparameters);
                raw.convert_state = Toggles.Set(options?.ConvertState);
                raw.progress = progress;
                raw.user = user;
                return load(&raw);
            });
        }

        private delegate Status WithCallback(IntPtr progress, void* user);

        /// <summary>Calls C with what it calls back, and throws what that has thrown.</summary>
        private void WithProgress(SaveOptions options, WithCallback call)
        {
            if (options == null || !options.HasProgress)
            {
                Check(call(IntPtr.Zero, null));
                return;
            }
            var calls = new ProgressCalls(options.Progress, options.Cancellation);
            GCHandle user = GCHandle.Alloc(calls);
            Status status;
            try
            {
                status = call(ProgressCalls.Raw, (void*)GCHandle.ToIntPtr(user));
            }
            finally
            {
                user.Free();
            }
            Check(status);
        }
    }
}
