// The optimizer: its groups and parameters. SPDX: MIT OR Apache-2.0
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using static Radam.RadamException;

namespace Radam
{
    /// <summary>Rectified Adam. Each call does what its namesake in radam.h does, which describes it in full. A call that
    /// fails throws RadamException and changes nothing.
    ///
    /// Other threads may call Get..., Is... and Dispose at any time, and StepTensor and StepParam at the same time for
    /// different parameters. Any other call that overlaps gets Status.Busy, and can be repeated.</summary>
    public sealed unsafe partial class Optimizer : IDisposable
    {
        private readonly OptimizerHandle handle;
        private readonly Shapes shapes = new Shapes();

        /// <summary>An optimizer without parameters.</summary>
        public Optimizer(OptimizerOptions options = null)
        {
            Library.Check();
            handle = OptimizerHandle.Create(options ?? new OptimizerOptions());
        }

        /// <summary>Frees the optimizer and its threads, once no call uses it, and unpins arrays.</summary>
        public void Dispose() => handle.Dispose();

        /// <summary>The handle, for calls.</summary>
        private OptimizerHandle opt => handle.CheckNotDisposed();

        // ---- Adding

        /// <summary>Adds a group of parameters with common options, all of it or, on error, nothing. The ids of its
        /// parameters follow those that exist.</summary>
        public GroupId AddGroup(GroupOptions options, params Param[] parameters)
        {
            CheckNotNull(options, nameof(options));
            CheckAll(parameters, options);
            return new GroupId(Register(parameters, (raw, count, group) =>
            {
                radam_group_options rawOptions = options.Raw;
                return Native.radam_add_param_group(opt, &rawOptions, raw, count, group);
            }));
        }

        /// <summary>Adds parameters to a group, all or none, and returns the id of the first; the others follow.</summary>
        public ParamId AddParams(GroupId group, params Param[] parameters)
        {
            CheckAll(parameters, GetGroupOptions(group));
            return new ParamId(Register(parameters, (raw, count, first) =>
                Native.radam_add_params(opt, group.Value, raw, count, first)));
        }

        /// <summary>What the library cannot see of parameters.</summary>
        private static void CheckAll(Param[] parameters, GroupOptions options)
        {
            CheckNotNull(parameters, nameof(parameters));
            for (int i = 0; i < parameters.Length; i++)
            {
                CheckNotNull(parameters[i], $"{nameof(parameters)}[{i}]");
                parameters[i].CheckState(options, Param.Called(parameters, i));
                parameters[i].CheckLengths(Param.Called(parameters, i));
            }
        }

        /// <summary>Adds a parameter to a group.</summary>
        public ParamId AddParam(GroupId group, Param param)
        {
            CheckNotNull(param, nameof(param));
            return AddParams(group, param);
        }

        /// <summary>Adds a parameter, whose arrays stay registered: managed ones are pinned.</summary>
        public ParamId AddParam(GroupId group, Tensor data, Tensor grad = default(Tensor), string name = null) =>
            AddParams(group, new Param { Data = data, Grad = grad, Name = name });

        /// <summary>Adds an unbound parameter of length elements, for StepTensor. gradDtype Default: dtype.</summary>
        public ParamId AddParam(GroupId group, Dtype dtype, long length, string name = null,
                                Dtype gradDtype = Dtype.Default) =>
            AddParams(group, new Param { Dtype = dtype, Length = length, Name = name, GradDtype = gradDtype });

        private delegate Status Adding(radam_param* parameters, ulong count, uint* id);

        /// <summary>Pins the arrays of parameters, adds these, and remembers pins and shapes.</summary>
        private uint Register(Param[] parameters, Adding add)
        {
            uint id;
            var slots = new Pinned[parameters.Length][];
            var names = new GCHandle[parameters.Length];
            bool isAdded = false;
            using (opt.Hold())
            lock (opt.Pins)
            {
                try
                {
                    var raw = new radam_param[parameters.Length + 1]; // one more, since a pointer to none is null
                    for (int i = 0; i < parameters.Length; i++)
                        raw[i] = Describe(parameters[i], out slots[i], out names[i]);
                    fixed (radam_param* at = raw)
                        CheckAdded(add(at, (ulong)parameters.Length, &id), parameters);
                    isAdded = true;
                    for (int i = 0; i < parameters.Length; i++)
                    {
                        opt.Pins.Add((uint)shapes.Count, slots[i]);
                        shapes.Add(new Shape(parameters[i]));
                    }
                }
                finally
                {
                    for (int i = 0; i < parameters.Length; i++)
                    {
                        if (names[i].IsAllocated)
                            names[i].Free();
                        if (!isAdded && slots[i] != null)
                            Pins.Free(slots[i]);
                    }
                }
            }
            return id;
        }

        /// <summary>Throws what the library says of one of the parameters, by its name.</summary>
        private static void CheckAdded(Status status, Param[] parameters)
        {
            try
            {
                Check(status);
            }
            catch (RadamException exception)
            {
                throw new RadamException(exception.Status, Regex.Replace(exception.Message, @"params\[(\d+)\]\.(\w+)",
                    match => $"{match.Groups[2]} of {Param.Called(parameters, int.Parse(match.Groups[1].Value))}"));
            }
        }

        private static radam_param Describe(Param param, out Pinned[] slots, out GCHandle name)
        {
            slots = Pins.NewSlots();
            byte[] bytes = Texts.Bytes(param.Name, "name");
            name = bytes == null ? default(GCHandle) : GCHandle.Alloc(bytes, GCHandleType.Pinned);
            Tensor[] tensors = param.Slots;
            for (int i = 0; i < tensors.Length; i++)
                slots[i] = tensors[i].Pin();
            return param.Raw(slots, bytes == null ? null : (byte*)name.AddrOfPinnedObject());
        }

        // ---- Where arrays are

        /// <summary>Sets the elements of a parameter; none unbinds it.</summary>
        public void SetData(ParamId param, Tensor data)
        {
            shapes[param].CheckData(data, param);
            Replace(param, Slot.Data, data);
        }

        /// <summary>Sets the gradient of a parameter; none: it has none, and steps skip it.</summary>
        public void SetGrad(ParamId param, Tensor grad)
        {
            shapes[param].CheckGrad(grad, param);
            Replace(param, Slot.Grad, grad);
        }

        private void Replace(ParamId param, Slot slot, in Tensor tensor)
        {
            using (opt.Hold())
            lock (opt.Pins)
            {
                Pinned pinned = tensor.Pin();
                Status status = slot == Slot.Data
                    ? Native.radam_set_data(opt, param.Value, pinned.Address)
                    : Native.radam_set_grad(opt, param.Value, pinned.Address);
                if (status == Status.Ok)
                    opt.Pins.Replace(param.Value, slot, pinned);
                else
                    pinned.Free();
                Check(status);
            }
        }

        /// <summary>Sets the elements and gradients of the parameters from first on, all or none. Null for data or grads:
        /// these stay as they are. In one call, buffers can be swapped.</summary>
        public void SetTensors(ParamId first, Tensor[] data, Tensor[] grads)
        {
            int count = (data ?? grads ?? new Tensor[0]).Length;
            if (data != null && grads != null && data.Length != grads.Length)
                throw new RadamException(Status.InvalidArgument,
                    $"data has {data.Length} tensors and grads {grads.Length}; both must have the same number");
            for (int i = 0; i < count; i++)
            {
                var param = new ParamId(first.Value + (uint)i);
                if (data != null)
                    shapes[param].CheckData(data[i], param);
                if (grads != null)
                    shapes[param].CheckGrad(grads[i], param);
            }
            using (opt.Hold())
            lock (opt.Pins)
            {
                Pinned[] dataPins = PinAll(data), gradPins = PinAll(grads);
                Status status;
                fixed (IntPtr* dataAt = Addresses(dataPins), gradsAt = Addresses(gradPins))
                    status = Native.radam_set_tensors(opt, first.Value, (ulong)count, (void**)dataAt, (void**)gradsAt);
                Keep(first, Slot.Data, dataPins, status);
                Keep(first, Slot.Grad, gradPins, status);
                Check(status);
            }
        }

        private static Pinned[] PinAll(Tensor[] tensors) =>
            tensors == null ? null : Array.ConvertAll(tensors, tensor => tensor.Pin());

        private static IntPtr[] Addresses(Pinned[] pinned) =>
            pinned == null ? null : Array.ConvertAll(pinned, pin => (IntPtr)pin.Address);

        private void Keep(ParamId first, Slot slot, Pinned[] pinned, Status status)
        {
            for (uint i = 0; pinned != null && i < pinned.Length; i++)
            {
                if (status == Status.Ok)
                    opt.Pins.Replace(first.Value + i, slot, pinned[i]);
                else
                    pinned[i].Free();
            }
        }

        /// <summary>Removes a parameter and its state. Its id is not used again.</summary>
        public void RemoveParam(ParamId param)
        {
            using (opt.Hold())
            lock (opt.Pins)
            {
                Check(Native.radam_remove_param(opt, param.Value));
                opt.Pins.Remove(param.Value);
            }
        }

        // ---- Finding

        /// <summary>The parameter of this name, given or default.</summary>
        public ParamId GetParamId(string name)
        {
            uint param;
            fixed (byte* bytes = Texts.Required(name, "name"))
                Check(Native.radam_param_id(opt, bytes, &param));
            return new ParamId(param);
        }

        /// <summary>The name of a parameter, given or default.</summary>
        public string GetParamName(ParamId param)
        {
            GetParam(param); // throws if there is no such parameter
            return Texts.Copied((buffer, size) => Native.radam_param_name(opt, param.Value, buffer, size));
        }

        /// <summary>What is registered of a parameter.</summary>
        public ParamInfo GetParam(ParamId param)
        {
            uint group;
            radam_param raw;
            Check(Native.radam_param_init(&raw, (uint)sizeof(radam_param)));
            Check(Native.radam_get_param(opt, param.Value, &group, &raw));
            return new ParamInfo(raw, new GroupId(group));
        }
    }
}
